"""The smallest jobs that write, and each of them begun, for tests of faults."""

from tests.faults.harness import begun  # noqa: F401 - fixtures
from tests.small_jobs import loras, place  # noqa: F401
