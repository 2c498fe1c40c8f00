package switchyard.interop;

import java.util.Map;
import java.util.TreeMap;
import org.jpos.iso.ISOException;
import org.jpos.iso.ISOMsg;
import org.jpos.iso.ISOUtil;

/** A message as jPOS holds it, and as our lines of JSON hold it. */
final class Message {
    private Message() {}

    static ISOMsg decode(DialectPackager packager, byte[] bytes) throws ISOException {
        ISOMsg message = new ISOMsg();
        message.setPackager(packager);
        int read = message.unpack(bytes);
        if (read != bytes.length) {
            throw new ISOException("read " + read + " of " + bytes.length + " bytes");
        }
        return message;
    }

    /** A new message of these fields, packed: what a program does that answers a request. */
    static byte[] encode(DialectPackager packager, byte[] header, String mti, Map<Integer, Object> values)
            throws ISOException {
        ISOMsg message = new ISOMsg();
        message.setPackager(packager);
        if (header != null) {
            message.setHeader(header);
        }
        message.setMTI(mti);
        for (Map.Entry<Integer, Object> field : values.entrySet()) {
            if (field.getValue() instanceof byte[] bytes) {
                message.set(field.getKey(), bytes);
            } else {
                message.set(field.getKey(), (String) field.getValue());
            }
        }
        return message.pack();
    }

    /** Element by element, texts as String and binary content as byte[]. */
    static Map<Integer, Object> values(DialectPackager packager, ISOMsg message) throws ISOException {
        Map<Integer, Object> values = new TreeMap<>();
        for (int element = 2; element <= message.getMaxField(); element++) {
            if (message.hasField(element)) {
                values.put(element, packager.isBinary(element) ? message.getBytes(element) : message.getString(element));
            }
        }
        return values;
    }

    static Map<String, String> fields(DialectPackager packager, Map<Integer, Object> values) {
        Map<String, String> fields = new TreeMap<>();
        values.forEach((element, value) -> {
            String text = value instanceof byte[] bytes ? ISOUtil.hexString(bytes) : (String) value;
            fields.put(element.toString(), packager.isPackedTrack(element) ? text.replace('=', 'D') : text);
        });
        return fields;
    }
}
