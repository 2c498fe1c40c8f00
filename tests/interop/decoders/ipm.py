"""cardutil (PyPI), which reads records of clearing files. It brings its own table of elements."""
import cardutil.config
from cardutil import CardutilError
from cardutil.iso8583 import dumps, loads

from .reading import Reading

# what it takes apart or makes numbers of is left as it stands on the wire
TABLE = {number: {key: row[key] for key in ("field_name", "field_type", "field_length")}
         for number, row in cardutil.config.config["bit_config"].items()}


class Cardutil:
    name = "cardutil"

    def read(self, goldens, rows):
        return {golden["id"]: self._read(golden, rows[golden["dialect"]]) for golden in goldens}

    def _read(self, golden, table):
        if not golden["dialect"].startswith("ipm"):
            return Reading(cannot="it reads records of clearing files")
        encoding = table["ebcdic_page"] if table["mti"] == "ebcdic" else "latin_1"
        try:
            read = loads(bytes.fromhex(golden["hex"]), encoding=encoding, iso_config=TABLE)
            written = dumps(dict(read), encoding=encoding, iso_config=TABLE)
        except CardutilError as fault:
            return Reading(error=str(fault))
        fields = {key.removeprefix("DE"): value for key, value in read.items() if key.startswith("DE")}
        return Reading(read["MTI"], fields, written.hex())
