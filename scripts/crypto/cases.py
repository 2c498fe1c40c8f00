"""Draws cases and computes their answers with psec, pyemv and cryptography. cases.py SEED COUNT prints JSON for
`hsmd check-vectors`. Keys, PINs and account numbers are random; fill that psec draws itself differs from run to run."""
import json
import random
import sys

from cryptography.hazmat.primitives import cmac, hashes, hmac
from cryptography.hazmat.primitives.ciphers import algorithms
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.keywrap import aes_key_wrap
from psec import aes, cvv, des, mac, pin, pinblock, tr31
from pyemv import ac, cvn, kd, sm, tools

draw = random.Random(int(sys.argv[1]))
count = int(sys.argv[2])


def h(data):
    return data.hex().upper()


def octets(length):
    return draw.randbytes(length)


def des_key(length=16):
    while True:
        key = des.adjust_key_parity(octets(length))
        if key[:8] != key[8:16]:
            return key


def digits(length):
    return "".join(draw.choice("0123456789") for _ in range(length))


def pan(lengths=(13, 15, 16, 16, 16, 17, 18, 19)):
    body = draw.choice("3456") + digits(draw.choice(lengths) - 2)
    total = sum(int(c) if i % 2 else sum(divmod(2 * int(c), 10)) for i, c in enumerate(reversed(body)))
    return body + str(-total % 10)


def psn():
    return f"{draw.randrange(100):02}"


def secret_pin(lengths=range(4, 13)):
    return digits(draw.choice(list(lengths)))


def format_0():
    zpk, zpk2, number, secret = des_key(), des_key(), pan(), secret_pin()
    clear = pinblock.encode_pinblock_iso_0(secret, number)
    return {
        "zpk": h(zpk), "zpk_kcv": h(des.generate_kcv(zpk, 3)), "pan": number, "pin": secret,
        "encrypted": h(des.encrypt_tdes_ecb(zpk, clear)), "zpk2": h(zpk2),
        "translated_under_zpk2": h(des.encrypt_tdes_ecb(zpk2, clear)),
    }


def format_3():
    zpk, number, secret = des_key(), pan(), secret_pin()
    clear = pinblock.encode_pinblock_iso_3(secret, number)
    return {"zpk": h(zpk), "pan": number, "pin": secret, "encrypted": h(des.encrypt_tdes_ecb(zpk, clear))}


def format_4():
    key, number, secret = octets(draw.choice((16, 24, 32))), pan(), secret_pin()
    return {
        "key": h(key), "pan": number, "pin": secret,
        "encrypted": h(pinblock.encipher_pinblock_iso_4(key, secret, number)),
    }


def visa_pvv():
    pvk, index, number, secret = des_key(), digits(1), pan(), secret_pin()
    value = pin.generate_visa_pvv(pvk, index, secret[:4], number)
    return {"pvk": h(pvk), "pvki": index, "pan": number, "pin": secret, "pvv": value}


def ibm_3624():
    pvk, number, secret = des_key(), pan((16, 19)), secret_pin()
    table = draw.choice(("0123456789012345", "1234567890123456", "9876543210987654"))
    first, length = draw.choice(((0, 16), (4, 11), (4, 12), (3, 8)))
    pad = draw.choice("0DF")
    rest = (number, first, length, pad)
    return {
        "pvk": h(pvk), "decimalization_table": table, "pan": number, "pan_verify_offset": first,
        "pan_verify_length": length, "pan_pad": pad, "pin": secret,
        "offset": pin.generate_ibm3624_offset(pvk, table, secret, *rest),
        "natural_pin": pin.generate_ibm3624_pin(pvk, table, "0" * len(secret), *rest),
    }


def card_codes():
    key, number = des_key(), pan()
    yymm = f"{draw.randrange(25, 40)}{draw.randrange(1, 13):02}"
    code = lambda expiry, service: cvv.generate_cvv(key, number, expiry, service)
    return {
        "cvk": h(key), "pan": number, "expiry_yymm": yymm, "cvv1_service_code": "201", "cvv1": code(yymm, "201"),
        "cvv2": code(yymm[2:] + yymm[:2], "000"), "icvv": code(yymm, "999"),
    }


def dynamic_code():
    imk, number, sequence, atc = des_key(), pan(), psn(), digits(4)
    yymm = f"{draw.randrange(25, 40)}{draw.randrange(1, 13):02}"
    udk = kd.derive_icc_mk_a(imk, number, sequence)
    return {
        "imk": h(imk), "pan": number, "psn": sequence, "atc_dec": atc, "expiry_yymm": yymm, "service_code": "201",
        "dcvv": cvv.generate_cvv(udk, atc + number[4:], yymm, "201"),
    }


def tags():
    return {
        "tag_9f02": bytes.fromhex(digits(12)), "tag_9f03": bytes.fromhex(digits(12)), "tag_9f1a": octets(2),
        "tag_95": octets(5), "tag_5f2a": octets(2), "tag_9a": octets(3), "tag_9c": octets(1), "tag_9f37": octets(4),
        "tag_82": octets(2), "tag_9f36": octets(2),
    }


class Card:
    def __init__(self):
        self.ac, self.smi, self.smc = des_key(), des_key(), des_key()
        self.pan, self.psn, self.tags = pan(), psn(), tags()

    def of(self, kind):
        return kind(self.ac, self.smi, self.smc, self.pan, self.psn)

    def case(self, **more):
        return {
            "imk_ac": h(self.ac), "pan": self.pan, "psn": self.psn, "tags": {k: h(v) for k, v in self.tags.items()},
            **{name: h(value) if isinstance(value, bytes) else value for name, value in more.items()},
        }

    def data(self):
        return b"".join(self.tags.values())


def visa_10():
    card, results = Card(), octets(4)
    version = card.of(cvn.VisaCVN10)
    arqc = version.generate_ac(**card.tags, cvr=results)
    return card.case(
        iad_9f10=b"\x06\x01\x0a" + results, arqc=arqc, arpc_rc=b"00", arpc=version.generate_arpc(arqc, b"00")
    )


def visa_17():
    card, results = Card(), octets(4)
    key = kd.derive_icc_mk_a(card.ac, card.pan, card.psn)
    data = card.tags["tag_9f02"] + card.tags["tag_9f37"] + card.tags["tag_9f36"] + results[1:2]
    arqc = ac.generate_ac(key, data, ac.PaddingType.VISA, 8)
    arpc = ac.generate_arpc_1(key, arqc, b"00")
    return card.case(iad_9f10=b"\x06\x01\x11" + results, arqc=arqc, arpc_rc=b"00", arpc=arpc)


def common_key(kind, iad):
    card = Card()
    version, csu = card.of(kind), octets(4)
    arqc = version.generate_ac(**card.tags, tag_9f10=iad)
    arpc = version.generate_arpc(arqc, card.tags["tag_9f36"], csu)
    return card.case(iad_9f10=iad, arqc=arqc, csu=csu, prop_auth_data="", arpc=arpc)


def visa_18():
    return common_key(cvn.VisaCVN18, b"\x06\x01\x12" + octets(4))


def visa_22():
    return common_key(cvn.VisaCVN22, b"\x1f\x22\x01" + octets(29))


def limited_use_key(card_key, index):
    half = lambda digit: tools.encrypt_tdes_ecb(card_key, bytes.fromhex(digit + index) + b"\x80\0\0\0")
    return half("1") + half("2")


def visa_43():
    card, index = Card(), digits(7)
    iad = b"\x1f\x43\x01" + octets(10) + bytes.fromhex("0" + index) + octets(15)
    key = limited_use_key(kd.derive_icc_mk_b(card.ac, card.pan, card.psn), index)
    return card.case(iad_9f10=iad, arqc=ac.generate_ac(key, card.data() + iad, ac.PaddingType.EMV, 8))


def m_chip(kind, version, counted):
    card, results = Card(), octets(6)
    counters = octets(draw.choice((8, 10, 16, 18)))
    made = card.of(kind)
    more = {"counters": counters} if counted else {}
    arqc = made.generate_ac(**card.tags, cvr=results, **more)
    atc = (card.tags["tag_9f36"],) if version & 4 else ()
    arpc = made.generate_arpc(arqc, *atc, b"\x00\x10")
    return card.case(cvn=str(version), cvr=results, counters=counters, arqc=arqc, arpc_rc=b"\x00\x10", arpc=arpc)


def master_key():
    imk, number, sequence, atc = des_key(), pan(), psn(), octets(2)
    option_a = kd.derive_icc_mk_a(imk, number, sequence)
    return {
        "imk": h(imk), "pan": number, "psn": sequence, "option_a": h(option_a),
        "option_b": h(kd.derive_icc_mk_b(imk, number, sequence)), "atc": h(atc),
        "emv_common_sk": h(kd.derive_common_sk(option_a, atc + bytes(6))),
    }


SCRIPTED = (
    (cvn.VisaCVN10, b"\x06\x01\x0a\x03\0\0\0", "fast"),
    (cvn.VisaCVN18, b"\x06\x01\x12\x03\0\0\0", "fast"),
    (cvn.VisaCVN22, b"\x1f\x22\x01" + bytes(29), "inside"),
    (cvn.MasterCardCVN16, b"\x01\x10" + bytes(16), "inside"),
    (cvn.MasterCardCVN17, b"\x01\x11" + bytes(16), "inside"),
    (cvn.MasterCardCVN20, b"\x01\x14" + bytes(16), "inside"),
    (cvn.MasterCardCVN21, b"\x01\x15" + bytes(16), "inside"),
)


def script():
    card, (kind, iad, keys) = Card(), draw.choice(SCRIPTED)
    version, arqc, atc = card.of(kind), octets(8), octets(2)
    carries = draw.choice(("open", "enciphered", "pin"))
    case = {
        "imk_ac": h(card.ac), "imk_smi": h(card.smi), "imk_smc": h(card.smc), "pan": card.pan, "psn": card.psn,
        "arqc": h(arqc), "atc": h(atc), "iad_9f10": h(iad), "keys": keys, "carries": carries,
    }
    if carries == "pin":
        case["pin"] = secret_pin()
        command = version.generate_pin_change_command(case["pin"], arqc, atc)
        return case | {"header": h(command[:4]), "command": h(command)}
    data, header = octets(draw.randrange(40)), octets(4)
    body = data
    if carries == "enciphered":
        # the older versions derive from the counter, the newer from the cryptogram
        body = version.encrypt_command_data(data, atc if keys == "fast" else arqc)
    header += bytes([len(body) + 8])
    command = header + body + version.generate_command_mac(header, arqc, atc, body)
    return case | {"data": h(data), "header": h(header[:4]), "command": h(command)}


USAGES = (("P0", "B"), ("M3", "C"), ("M6", "C"), ("C0", "C"), ("V2", "V"), ("E0", "X"), ("B0", "X"), ("K0", "N"))


def key_block():
    version = draw.choice("BD")
    kbpk = des_key(draw.choice((16, 24))) if version == "B" else octets(draw.choice((16, 24, 32)))
    algorithm = "T" if version == "B" else draw.choice("TA")
    key = des_key(draw.choice((16, 24))) if algorithm == "T" else octets(draw.choice((16, 24, 32)))
    usage, mode = draw.choice(USAGES)
    header = tr31.Header(version, usage, algorithm, mode, digits(2), draw.choice("NES"))
    if draw.random() < 0.5:
        header.blocks["KS"] = h(octets(draw.randrange(1, 20)))
    if draw.random() < 0.3:
        header.blocks["LB"] = "label " + digits(draw.randrange(1, 30))
    return {"kbpk": h(kbpk), "key": h(key), "key_block": tr31.KeyBlock(kbpk, header).wrap(key)}


def retail_mac():
    key, data, padding = des_key(), octets(draw.randrange(1, 300)), draw.choice((1, 2))
    value = mac.generate_retail_mac(key[:8], key[8:], data, padding)
    return {"key": h(key), "data": h(data), "padding": padding, "mac": h(value)}


def aes_cmac():
    key, data = octets(draw.choice((16, 24, 32))), octets(draw.randrange(300))
    made = cmac.CMAC(algorithms.AES(key))
    made.update(data)
    return {"key": h(key), "data": h(data), "mac": h(made.finalize())}


def pan_index():
    key, number = octets(32), pan()
    made = hmac.HMAC(key, hashes.SHA256())
    made.update(number.encode())
    return {"key": h(key), "pan": number, "index": h(made.finalize())}


def pan_envelope():
    key, iv, aad, number = octets(32), octets(12), octets(draw.randrange(40)), pan()
    sealed = AESGCM(key).encrypt(iv, number.encode(), aad)
    return {"key": h(key), "iv": h(iv), "aad": h(aad), "pan": number, "ciphertext_and_tag": h(sealed)}


def key_wrap():
    kek, key = octets(32), octets(draw.choice((16, 24, 32)))
    return {"kek": h(kek), "key": h(key), "wrap": h(aes_key_wrap(kek, key))}


def check_values():
    triple, wide = des_key(24), octets(draw.choice((16, 24, 32)))
    made = cmac.CMAC(algorithms.AES(wide))
    made.update(bytes(16))
    return {
        "des_key": h(triple), "des_kcv": h(des.generate_kcv(triple, 3)), "aes_key": h(wide),
        "aes_kcv_cmac": h(made.finalize()[:3]), "aes_kcv_ecb_zero": h(aes.encrypt_aes_ecb(wide, bytes(16))[:3]),
    }


GROUPS = {
    "pinblock_iso0": format_0,
    "pinblock_iso3": format_3,
    "pinblock_iso4": format_4,
    "visa_pvv": visa_pvv,
    "ibm3624": ibm_3624,
    "cvv": card_codes,
    "dcvv": dynamic_code,
    "emv_cvn10": visa_10,
    "emv_cvn17": visa_17,
    "emv_cvn18": visa_18,
    "emv_cvn22": visa_22,
    "emv_cvn43": visa_43,
    "emv_mc_cvn16": lambda: m_chip(cvn.MasterCardCVN16, 16, False),
    "emv_mc_cvn17": lambda: m_chip(cvn.MasterCardCVN17, 17, True),
    "emv_mc_cvn20": lambda: m_chip(cvn.MasterCardCVN20, 20, False),
    "emv_mc_cvn21": lambda: m_chip(cvn.MasterCardCVN21, 21, True),
    "icc_mk": master_key,
    "issuer_script": script,
    "tr31": key_block,
    "retail_mac_x919": retail_mac,
    "aes_cmac": aes_cmac,
    "pan_index_hmac_sha256": pan_index,
    "pan_aes_gcm": pan_envelope,
    "aes_key_wrap": key_wrap,
    "kcv": check_values,
}

print(json.dumps({group: [make() for _ in range(count)] for group, make in GROUPS.items()}))
