"""The program behind `RemoteHost`: pickled calls in, pickled results out."""

import pickle
import sys
from collections.abc import Iterator

from wig import errors
from wig.linux import choice, record, userspace
from wig.linux.host import LinuxHost


def main() -> None:
    """Answer until the input ends."""
    backend = choice.choose(sys.argv[1], (), userspace.SOCKET_DIRECTORY)
    host = LinuxHost(backend, record.Records(record.DIRECTORY, "test"))
    while True:
        try:
            name, arguments = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        try:
            found = getattr(host, name)
            result = found(*arguments) if callable(found) else found
            if isinstance(result, Iterator):
                result = list(result)
        except errors.WigError as error:
            result = errors.from_body(error.body())
        pickle.dump(result, sys.stdout.buffer)
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
