package holdfast.streams;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;

/** JSON to commands, by Jackson's streaming parser: no tree is made and nothing is reflected upon. */
final class CommandReader {
    private static final long MOST_UNITS = 1_000_000_000;

    private final JsonFactory json = new JsonFactory();

    /** @throws IOException or IllegalArgumentException if the bytes are no command that this program knows */
    Command read(byte[] bytes) throws IOException {
        String id = null, type = null, sku = null, reservation = null, order = null, warehouse = null, reference = null;
        long quantity = 0, expiresAt = -1, ttl = -1;
        try (JsonParser parser = json.createParser(bytes)) {
            require(parser.nextToken() == JsonToken.START_OBJECT, "an object");
            for (String name = parser.nextFieldName(); name != null; name = parser.nextFieldName()) {
                if (parser.nextToken() == JsonToken.VALUE_NULL) continue;
                switch (name) {
                    case "command_id" -> id = id(parser);
                    case "type" -> type = parser.getText();
                    case "sku" -> sku = id(parser);
                    case "reservation_id" -> reservation = id(parser);
                    case "order_id" -> order = id(parser);
                    case "warehouse" -> warehouse = id(parser);
                    case "reference" -> reference = id(parser);
                    case "quantity" -> {
                        quantity = parser.getLongValue();
                        require(quantity >= 1 && quantity <= MOST_UNITS, "quantity");
                    }
                    case "expires_at" -> expiresAt = Times.read(parser.getText());
                    case "ttl_ms" -> ttl = parser.getLongValue();
                    default -> parser.skipChildren();
                }
            }
        }
        require(id != null && type != null && sku != null, "command_id, type and sku");
        Command command = new Command(
                id, Command.Type.of(type), sku, reservation, order, quantity, warehouse, expiresAt, ttl, reference);
        switch (command.type()) {
            case RESERVE -> require(reservation != null && order != null && quantity > 0, "reserve's fields");
            case RECEIVE -> require(warehouse != null && quantity > 0, "receive's fields");
            default -> require(reservation != null, "reservation_id");
        }
        return command;
    }

    private static String id(JsonParser parser) throws IOException {
        require(parser.currentToken() == JsonToken.VALUE_STRING, "a string");
        String text = parser.getText();
        require(!text.isEmpty() && text.length() <= 128, "the length of an id");
        return text;
    }

    private static void require(boolean condition, String what) {
        if (!condition) throw new IllegalArgumentException("malformed: " + what);
    }
}
