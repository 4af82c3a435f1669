"""`python -m palmar` is the command `palmar`."""

import sys

from palmar.cli import main

sys.exit(main())
