"""What is done to a file: one module an operation, and the one way of a file through each."""


def module_named(name: str) -> str:
    """Return the module of the operation that a command's name stands for.

    >>> module_named("conv-transpose")
    'upsample_cli.operations.conv_transpose'
    """
    return f"{__name__}.{name.replace('-', '_')}"
