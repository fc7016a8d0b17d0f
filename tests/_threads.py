"""Two threads that do the same at once."""

import threading
from collections.abc import Callable


def errors_of_two(work: Callable[[], object]) -> list[BaseException]:
    """Run a function in two threads at once, and return what they raised, which a thread would lose."""
    errors: list[BaseException] = []

    def caught() -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001
            errors.append(error)

    threads = [threading.Thread(target=caught) for _ in range(2)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    return errors
