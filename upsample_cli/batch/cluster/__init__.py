"""A batch on a dask.distributed cluster."""
