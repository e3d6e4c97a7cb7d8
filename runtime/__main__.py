"""`python -m intq` is `intq`."""

import sys

from .cli import main

sys.exit(main())
