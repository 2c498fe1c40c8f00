package switchyard.interop;

import com.google.gson.Gson;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import org.jpos.iso.ISOException;
import org.jpos.iso.ISOMsg;
import org.jpos.iso.ISOUtil;

/**
 * usage: Main decode|speed ROWS; ROWS is a folder of what `iso8583 dialect-show --json` prints, a file for each dialect.
 *
 * <p>Each line of standard input is {"id","dialect","hex"}. `decode` writes {"id","mti","fields","hex"} for each, hex being
 * what jPOS packs from the fields that it read, or {"id","error"}, or {"id","cannot"} where jPOS has no means; `speed` writes
 * one object of nanoseconds, the ids being its keys' endings.
 */
public final class Main {
    private static final Gson GSON = new Gson();
    private final Path rows;
    private final Map<String, DialectPackager> packagers = new HashMap<>();

    private Main(Path rows) {
        this.rows = rows;
    }

    public static void main(String[] arguments) throws Exception {
        Main main = new Main(Path.of(arguments[1]));
        boolean speed = arguments[0].equals("speed");
        JsonObject figures = new JsonObject();
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            JsonObject request = JsonParser.parseString(line).getAsJsonObject();
            if (speed) {
                main.time(request, figures);
            } else {
                System.out.println(GSON.toJson(main.decode(request)));
            }
        }
        if (speed) {
            System.out.println(GSON.toJson(figures));
        }
    }

    private JsonObject decode(JsonObject request) throws ISOException, IOException {
        JsonObject answer = new JsonObject();
        answer.add("id", request.get("id"));
        DialectPackager packager = packager(request);
        try {
            ISOMsg message = Message.decode(packager, bytes(request));
            Map<Integer, Object> values = Message.values(packager, message);
            answer.addProperty("mti", message.getMTI());
            answer.add("fields", GSON.toJsonTree(Message.fields(packager, values)));
            byte[] again = Message.encode(packager, message.getHeader(), message.getMTI(), values);
            answer.addProperty("hex", ISOUtil.hexString(again));
        } catch (ISOException | RuntimeException fault) {
            boolean noPart = packager.missing() != null;
            answer.addProperty(noPart ? "cannot" : "error", noPart ? "no part for " + packager.missing() : fault.toString());
        }
        return answer;
    }

    private void time(JsonObject request, JsonObject figures) throws ISOException, IOException {
        String ending = request.get("id").getAsString();
        DialectPackager packager = packager(request);
        byte[] bytes = bytes(request);
        ISOMsg message = Message.decode(packager, bytes);
        String mti = message.getMTI();
        Map<Integer, Object> values = Message.values(packager, message);
        if (!Arrays.equals(Message.encode(packager, null, mti, values), bytes)) {
            throw new ISOException("jPOS packs other bytes than it was given");
        }
        Speed.measure(figures, "jpos_decode" + ending, () -> Message.decode(packager, bytes));
        Speed.measure(figures, "jpos_encode" + ending, () -> Message.encode(packager, null, mti, values));
    }

    private DialectPackager packager(JsonObject request) throws ISOException, IOException {
        String dialect = request.get("dialect").getAsString();
        if (!packagers.containsKey(dialect)) {
            String table = Files.readString(rows.resolve(dialect + ".json"));
            packagers.put(dialect, new DialectPackager(JsonParser.parseString(table).getAsJsonObject()));
        }
        return packagers.get(dialect);
    }

    private static byte[] bytes(JsonObject request) {
        return ISOUtil.hex2byte(request.get("hex").getAsString());
    }
}
