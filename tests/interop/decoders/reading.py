"""What a decoder made of a message."""
from dataclasses import dataclass, field


@dataclass
class Reading:
    """`mti` and `fields` as a golden message has them, and what the decoder writes from them: `hex`, if it writes at all.

    `lost_at` is the element at which a decoder that goes wrong there loses its place, so that nothing after it counts.
    `cannot` says why the decoder has no means to read this message; `error` what it said where it should have been able to.
    """

    mti: str = ""
    fields: dict = field(default_factory=dict)
    hex: str | None = None
    lost_at: int | None = None
    cannot: str | None = None
    error: str | None = None

    def differences(self, golden):
        """What this reading has otherwise than the golden message, as names of elements, `MTI` and `bytes`."""
        wanted = golden["fields"]
        numbers = {n for n in set(wanted) | set(self.fields) if self.lost_at is None or int(n) < self.lost_at}
        wrong = [n for n in sorted(numbers, key=int) if wanted.get(n, "").upper() != self.fields.get(n, "").upper()]
        if self.lost_at is not None:
            wrong.append(str(self.lost_at))
        if self.mti != golden["mti"]:
            wrong.insert(0, "MTI")
        if self.hex is not None and self.hex.upper() != golden["hex"].upper():
            wrong.append("bytes")
        return wrong


class NotHere(Exception):
    """The decoder cannot be had on this machine; says why."""
