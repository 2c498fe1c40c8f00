package switchyard.interop;

import com.google.gson.JsonObject;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Map;
import org.jpos.iso.AsciiHexInterpreter;
import org.jpos.iso.AsciiInterpreter;
import org.jpos.iso.AsciiPrefixer;
import org.jpos.iso.BCDInterpreter;
import org.jpos.iso.BcdPrefixer;
import org.jpos.iso.BinaryInterpreter;
import org.jpos.iso.BinaryPrefixer;
import org.jpos.iso.EbcdicHexInterpreter;
import org.jpos.iso.EbcdicInterpreter;
import org.jpos.iso.EbcdicPrefixer;
import org.jpos.iso.IFA_BITMAP;
import org.jpos.iso.IFB_AMOUNT;
import org.jpos.iso.IFB_BITMAP;
import org.jpos.iso.IFE_BITMAP;
import org.jpos.iso.ISOBasePackager;
import org.jpos.iso.ISOBinaryFieldPackager;
import org.jpos.iso.ISOComponent;
import org.jpos.iso.ISOException;
import org.jpos.iso.ISOFieldPackager;
import org.jpos.iso.ISOStringFieldPackager;
import org.jpos.iso.Interpreter;
import org.jpos.iso.LiteralBinaryInterpreter;
import org.jpos.iso.NullPadder;
import org.jpos.iso.NullPrefixer;
import org.jpos.iso.Prefixer;

/**
 * One of our dialects, out of jPOS's own parts. A row that jPOS has no part for throws UnsupportedOperationException when a
 * message has the element: one without it can still be read.
 */
final class DialectPackager extends ISOBasePackager {
    /** Format and content of each element, as our rows name them. */
    private final Map<Integer, JsonObject> rows = new HashMap<>();
    private String missing;

    DialectPackager(JsonObject dialect) throws ISOException {
        setHeaderLength(dialect.get("header").getAsString().length() / 2);
        ISOFieldPackager[] packagers = new ISOFieldPackager[193];
        packagers[0] = text(4, "MTI", characters(dialect.get("mti").getAsString(), "left0"), NullPrefixer.INSTANCE);
        packagers[1] = bitmap(dialect.get("bitmap").getAsString(), 16);
        for (var element : dialect.getAsJsonArray("elements")) {
            JsonObject row = element.getAsJsonObject();
            int number = row.get("number").getAsInt();
            rows.put(number, row);
            try {
                packagers[number] = element(row);
            } catch (UnsupportedOperationException noPart) {
                packagers[number] = new Failing(noPart);
            }
        }
        setFieldPackager(packagers);
        if (dialect.has("third_bitmap")) {
            putThirdBitmap(dialect.getAsJsonObject("third_bitmap"), dialect.get("bitmap").getAsString(), packagers);
        }
    }

    /** Right after the second it is the end of one long bitmap to jPOS, elsewhere an element that holds it. */
    private void putThirdBitmap(JsonObject third, String form, ISOFieldPackager[] packagers) throws ISOException {
        int announcedBy = third.get("announced_by").getAsInt();
        if (announcedBy != 65) {
            packagers[announcedBy] = bitmap(third.get("bitmap").getAsString(), 8);
            setThirdBitmapField(announcedBy);
        } else if (third.get("bitmap").getAsString().equals(form)) {
            packagers[1] = bitmap(form, 24);
        } else {
            packagers[65] = new Failing(new UnsupportedOperationException("a third bitmap in another form than the others"));
        }
    }

    /** A prefix of hex digits as characters; jPOS has packed ones. */
    private record HexDigits(int getPackedLength) implements Prefixer {
        @Override
        public void encodeLength(int length, byte[] bytes) {
            byte[] digits = String.format("%0" + getPackedLength + "X", length).getBytes(StandardCharsets.US_ASCII);
            System.arraycopy(digits, 0, bytes, 0, getPackedLength);
        }

        @Override
        public int decodeLength(byte[] bytes, int offset) {
            return Integer.parseInt(new String(bytes, offset, getPackedLength, StandardCharsets.US_ASCII), 16);
        }
    }

    /** What jPOS had no part for in the last message that failed; jPOS keeps no cause of what it throws. */
    String missing() {
        return missing;
    }

    /** Stands where jPOS has no part. */
    private final class Failing extends ISOFieldPackager {
        private final UnsupportedOperationException reason;

        Failing(UnsupportedOperationException reason) {
            this.reason = reason;
        }

        @Override
        public byte[] pack(ISOComponent component) {
            missing = reason.getMessage();
            throw reason;
        }

        @Override
        public int unpack(ISOComponent component, byte[] bytes, int offset) {
            missing = reason.getMessage();
            throw reason;
        }

        @Override
        public int getMaxPackedLength() {
            return 0;
        }
    }

    boolean isBinary(int element) {
        return is(element, "format", "b") && !is(element, "prefix_counts", "digits");
    }

    /** A packed track: jPOS writes its separator nibble D as the character that stands for it in text, our rows as it is. */
    boolean isPackedTrack(int element) {
        return is(element, "format", "z") && is(element, "content", "bcd");
    }

    private boolean is(int element, String key, String value) {
        JsonObject row = rows.get(element);
        return row != null && row.has(key) && row.get(key).getAsString().equals(value);
    }

    private static ISOFieldPackager element(JsonObject row) {
        String content = row.get("content").getAsString();
        String name = row.get("name").getAsString();
        int length = row.get("length").getAsInt();
        switch (content) {
            case "raw":
            case "hexascii":
            case "hexebcdic":
                if (row.has("prefix") && row.get("prefix_counts").getAsString().equals("digits")) {
                    // as the text that it is
                    return text(length * 2, name, characters(content.substring(3), ""), prefixer(row));
                }
                return new ISOBinaryFieldPackager(length, name, bytes(content), prefixer(row));
            case "bcd":
                if (row.get("format").getAsString().equals("x+n")) {
                    return new IFB_AMOUNT(length, name, row.get("filler").getAsString().equals("left0"));
                }
                if (row.has("prefix") && row.get("prefix_counts").getAsString().equals("bytes")) {
                    throw new UnsupportedOperationException("a prefix that counts bytes of packed digits");
                }
                return text(length, name, characters(content, row.get("filler").getAsString()), prefixer(row));
            default:
                return text(length, name, characters(content, ""), prefixer(row));
        }
    }

    private static ISOFieldPackager text(int length, String name, Interpreter interpreter, Prefixer prefixer) {
        return new ISOStringFieldPackager(length, name, NullPadder.INSTANCE, interpreter, prefixer);
    }

    private static ISOFieldPackager bitmap(String encoding, int bytes) {
        switch (encoding) {
            case "bin":
                return new IFB_BITMAP(bytes, "bitmap");
            case "hexascii":
                return new IFA_BITMAP(bytes, "bitmap");
            default:
                return new IFE_BITMAP(bytes, "bitmap");
        }
    }

    private static Interpreter characters(String content, String filler) {
        switch (content) {
            case "ascii":
                return AsciiInterpreter.INSTANCE;
            case "ebcdic":
                return EbcdicInterpreter.INSTANCE;
            default:
                switch (filler) {
                    case "left0":
                        return BCDInterpreter.LEFT_PADDED;
                    case "right0":
                        return BCDInterpreter.RIGHT_PADDED;
                    default:
                        return BCDInterpreter.RIGHT_PADDED_F;
                }
        }
    }

    private static BinaryInterpreter bytes(String content) {
        switch (content) {
            case "raw":
                return LiteralBinaryInterpreter.INSTANCE;
            case "hexascii":
                return AsciiHexInterpreter.INSTANCE;
            default:
                return EbcdicHexInterpreter.INSTANCE;
        }
    }

    private static Prefixer prefixer(JsonObject row) {
        if (!row.has("prefix")) {
            return NullPrefixer.INSTANCE;
        }
        int digits = row.get("prefix_digits").getAsInt();
        switch (row.get("prefix").getAsString()) {
            case "ascii":
                return new AsciiPrefixer(digits);
            case "ebcdic":
                return new EbcdicPrefixer(digits);
            case "bcd":
                return new BcdPrefixer(digits);
            case "bin":
                return new BinaryPrefixer((digits + 1) / 2);
            case "hexascii":
                return new HexDigits(digits);
            default:
                throw new UnsupportedOperationException("a length prefix in " + row.get("prefix").getAsString());
        }
    }
}
