"""`python -m wig_cli`: the program, for who has no script of it."""

import sys

from wig_cli.main import main

sys.exit(main())
