"""The smallest jobs that write, for tests of disks."""

from tests.small_jobs import loras, place  # noqa: F401 - fixtures
