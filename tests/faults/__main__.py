"""All of the faults: python -m tests.faults [pytest's arguments]."""

import os
import sys
from pathlib import Path

os.environ["STUDIO_FAULTS"] = "all"
import pytest

if __name__ == "__main__":
    sys.exit(pytest.main([str(Path(__file__).parent), "-s", "--timeout", "7200", *sys.argv[1:]]))
