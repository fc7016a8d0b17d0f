from tests.links.conftest import inputs, network  # noqa: F401
