"""The command line: verbs, flags, help, and errors in one sentence.

  command   the verbs and flags; from words to a `Command`
  verbs     what each verb does
  help      what --help prints

Everything that can be refused without jax is refused before jax is imported, so that help and
errors appear in well under 2 seconds. Exit status: 0 done, 2 the user's error, 130 interrupted. Any
other exception is a bug and keeps its traceback.
"""

import os
import sys
from collections.abc import Sequence

from ouroboros_jax.cli.command import VERBS, parse
from ouroboros_jax.cli.help import help_text
from ouroboros_jax.cli.verbs import RUNNERS
from ouroboros_jax.errors import UserError, reason


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line (by default the process's) and return its exit status."""
    argv = list(sys.argv[1:] if argv is None else argv)
    try:
        command = parse(argv)
        if command.flags["help"]:
            print(help_text(command, explicit=any(word in VERBS for word in argv)))
            return 0
        return RUNNERS[command.verb](command)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # the reader of our output has closed it
        sys.stderr.close()
        return 0
    except OSError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except Exception as error:
        if not isinstance(error, MemoryError) and "RESOURCE_EXHAUSTED" not in str(error):
            raise
        print(f"error: out of memory, see --dry_run: {reason(error)}", file=sys.stderr)
        return 2


def entry() -> None:
    """Run the process's command line and exit with its status."""
    status = main()
    if status == 130:
        # Shutting down the interpreter while XLA still compiles ends in a segmentation fault.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    sys.exit(status)
