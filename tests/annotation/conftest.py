from tests.labels.conftest import problem  # noqa: F401
