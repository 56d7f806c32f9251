"""The program behind `DrivenGateway`: `python -m tests.lab.run_gateway OPTIONS`.

One JSON request per line in, one reply per line out.
"""

import json
import logging
import sys
import time
from typing import Any

import wig
from wig import codec, egress, errors, snapshot
from wig.linux.gateway import Gateway, Options
from wig.log import Record
from wig.model import Object

_header = codec.decoder(snapshot.Header)
_objects = codec.lines_decoder(Object)


def answer(gateway: Gateway, request: dict[str, Any]) -> dict[str, Any]:
    """Do what the request says."""
    begin = time.perf_counter()
    match request["do"]:
        case "apply":
            records = [
                Record(seq, payload.encode(), bytes.fromhex(digest))
                for seq, payload, digest in request["records"]
            ]
            begin = time.perf_counter()
            gateway.apply("e", records)
        case "load":
            header, objects = _header(request["header"]), _objects("\n".join(request["objects"]))
            begin = time.perf_counter()
            gateway.load(header, objects)
        case "audit":
            return gateway.audit()._asdict()
        case "wipe":
            later_s = request["later_s"]
            wiped = gateway.wipe(time.monotonic() + later_s, time.time() + later_s)
            return {"wiped": wiped, "age_s": gateway.endpoint_age_s}
        case "quarantine":
            return {"problems": {each.subject: each.reason for each in gateway.quarantine()}}
        case "problems":
            return {"said": gateway.problems()}
        case "positions":
            return {"state": _text(gateway.position()), "device": _text(gateway.device_position())}
        case "close":
            gateway.close(down=request["down"])
        case unknown:
            raise ValueError(unknown)
    return {"took_s": time.perf_counter() - begin}


def _text(position: object) -> str | None:
    return None if position is None else codec.encode(position).decode()


def main() -> None:
    """Answer until the input ends."""
    logging.basicConfig(level=logging.INFO)
    try:
        options = json.loads(sys.argv[1])
        options["egress"] = egress.parse_all(options.get("egress", ()))
        gateway = Gateway(Options(**options))
    except errors.WigError as error:
        print(json.dumps({"error": json.loads(codec.encode(error.body()))}), flush=True)
        return
    print(json.dumps({"version": wig.__version__}), flush=True)
    for line in sys.stdin:
        try:
            reply = answer(gateway, json.loads(line))
        except errors.WigError as error:
            reply = {"error": json.loads(codec.encode(error.body()))}
        print(json.dumps(reply), flush=True)


if __name__ == "__main__":
    main()
