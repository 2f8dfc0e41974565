"""`python -m stills` is the `stills` command."""

import sys

from stills.cli.main import main

sys.exit(main())
