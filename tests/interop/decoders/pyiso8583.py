"""pyiso8583 (PyPI), set up from our rows."""
import iso8583

from .reading import Reading

NAME = "pyiso8583"


class Unsuited(Exception):
    """pyiso8583 has no means for this; says for what."""


class Pyiso8583:
    name = NAME

    def read(self, goldens, rows):
        return {golden["id"]: self._read(golden, rows[golden["dialect"]]) for golden in goldens}

    def _read(self, golden, table):
        try:
            spec = Spec(table, golden["fields"])
        except Unsuited as reason:
            return Reading(cannot=str(reason))
        try:
            mti, fields = spec.decode(golden["hex"])
            return Reading(mti, fields, spec.encode(mti, fields))
        except (iso8583.DecodeError, iso8583.EncodeError) as fault:
            return Reading(error=str(fault))


def write(golden, table):
    """The bytes of a golden message that has none yet."""
    return Spec(table, golden["fields"]).encode(golden["mti"], golden["fields"])


def characters(content, page):
    if content == "ebcdic":
        if page == "cp1047":
            raise Unsuited("Python has no code page 1047")
        return page
    return "ascii"


class Spec:
    """A spec for one message: where pyiso8583 has no such prefix (one that counts bytes which stand as two characters each,
    one in hex digits) it is given prefix and content together, as one text of the size they have in this message."""

    def __init__(self, table, fields):
        self.page = table["ebcdic_page"]
        self.header = table["header"]
        self.signed, self.whole = set(), {}
        packed_mti = table["mti"] == "bcd"
        self.spec = {
            "h": self._fixed("b", len(self.header) // 2),
            "t": self._fixed("b" if packed_mti else characters(table["mti"], self.page), 2 if packed_mti else 4),
        }
        self.spec["p"] = self.spec["1"] = self._bitmap(table["bitmap"])
        third = table.get("third_bitmap", {})
        if third and any(int(number) > 128 for number in fields):
            if third != {"announced_by": 65, "bitmap": table["bitmap"]}:
                raise Unsuited("a third bitmap elsewhere than after the second, or in another form")
            self.spec["65"] = self.spec["1"]
        for row in table["elements"]:
            number = str(row["number"])
            try:
                self.spec[number] = self._element(number, row, fields.get(number, ""))
            except Unsuited:
                if number in fields:
                    raise

    def _bitmap(self, form):
        if form == "bin":
            return self._fixed("b", 8)
        return self._fixed(characters("ebcdic" if form == "hexebcdic" else "ascii", self.page), 16)

    @staticmethod
    def _fixed(encoding, length):
        return {"data_enc": encoding, "len_enc": "ascii", "len_type": 0, "max_len": length, "desc": ""}

    def _element(self, number, row, value):
        digits = row.get("prefix_digits", 0)
        prefix = row.get("prefix", "ascii")
        spec = {"len_enc": {"bcd": "bcd", "bin": "b"}.get(prefix) or characters(prefix, self.page), "desc": "",
                "len_type": (digits + 1) // 2 if prefix in ("bcd", "bin") else digits, "max_len": row["length"]}
        content = row["content"]
        if prefix == "hexascii":
            return self._with_hex_prefix(number, content, digits, value)
        if content == "raw":
            return spec | {"data_enc": "b"}
        if content in ("hexascii", "hexebcdic"):
            text = characters(content.removeprefix("hex"), self.page)
            if row.get("prefix_counts") != "bytes":
                return spec | {"data_enc": text, "max_len": row["length"] * 2}
            if prefix != content.removeprefix("hex"):
                raise Unsuited("a prefix in other characters than the hex digits after it")
            self.whole[number] = f"{len(value) // 2:0{digits}}"
            return self._fixed(text, digits + len(value))
        if content != "bcd":
            return spec | {"data_enc": characters(content, self.page)}
        if row["format"] == "x+n":
            # the sign stays a character: sign and packed digits are bytes to pyiso8583
            self.signed.add(number)
            return spec | {"data_enc": "b", "max_len": 1 + row["length"] // 2}
        if digits and row["prefix_counts"] == "bytes":
            raise Unsuited("a prefix that counts bytes of packed digits")
        side = "left_pad" if row["filler"] == "left0" else "right_pad"
        return spec | {"data_enc": "b", "len_count": "nibbles", side: row["filler"][-1]}

    def _with_hex_prefix(self, number, content, digits, value):
        """Its prefixes are decimal digits or bytes: this one is part of the text."""
        if content not in ("ascii", "hexascii"):
            raise Unsuited("a prefix in hex digits before what is no ASCII")
        count = len(value) // 2 if content == "hexascii" else len(value)
        self.whole[number] = f"{count:0{digits}X}"
        return self._fixed("ascii", digits + len(value))

    def encode(self, mti, fields):
        theirs = {number: self._theirs(number, value) for number, value in fields.items()}
        raw, _ = iso8583.encode({"h": self.header, "t": mti} | theirs, self.spec)
        return bytes(raw).hex().upper()

    def decode(self, text):
        decoded, _ = iso8583.decode(bytes.fromhex(text), self.spec)
        return decoded["t"], {n: self._ours(n, value) for n, value in decoded.items() if n not in ("h", "t", "p", "1", "65")}

    def _theirs(self, number, value):
        if number in self.signed:
            return value[0].encode().hex().upper() + value[1:]
        return self.whole.get(number, "") + value

    def _ours(self, number, value):
        if number in self.signed:
            return bytes.fromhex(value[:2]).decode() + value[2:]
        return value[len(self.whole.get(number, "")):]
