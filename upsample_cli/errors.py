"""The errors that end a command with one line: ``subject: problem; remedy``."""


class UpsampleError(Exception):
    """Something that a user can understand and mend.

    Parameters
    ----------
    subject
        The file or option that the message is about.
    problem
        What is wrong with it.
    remedy
        What would be right, if that can be said.
    """

    exit_code = 1

    def __init__(self, subject: object, problem: str, remedy: str = "") -> None:
        self.subject = str(subject)
        self.problem = problem
        self.remedy = remedy
        super().__init__(f"{subject}: {problem}" + (f"; {remedy}" if remedy else ""))


class FileError(UpsampleError):
    """A file that cannot be read, or cannot be written: the work failed (exit code 1)."""


class RequestError(UpsampleError):
    """A request that cannot be carried out as it was made (exit code 2)."""

    exit_code = 2


class MemoryShortError(RequestError):
    """A request that needs more memory than is free now, or than it may take."""


class MemoryLimitError(MemoryShortError):
    """A request that needs more memory than ``--max-memory`` allows.

    Parameters
    ----------
    subject
        The file or option that the message is about.
    needed, limit
        The least that would be enough, and what was allowed, in bytes.
    remedy
        What would be right.
    """

    def __init__(self, subject: object, needed: int, limit: int, remedy: str = "") -> None:
        self.needed = needed
        self.limit = limit
        least = f"{-(-needed // 2**20)} MiB"
        allowed = f"{limit // 2**20} MiB" if limit >= 2**20 else f"{limit} B"
        problem = f"needs about {least}, but --max-memory is {allowed}"
        super().__init__(subject, problem, remedy or f"allow at least {least}")
