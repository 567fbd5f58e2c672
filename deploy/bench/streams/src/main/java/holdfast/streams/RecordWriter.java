package holdfast.streams;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.SerializableString;
import com.fasterxml.jackson.core.io.SerializedString;
import java.io.ByteArrayOutputStream;
import java.io.IOException;

/**
 * The records of stock.results and stock.ledger, with the fields of ours in their order. One generator writes all of
 * them, one after another: to make one costs more than a record.
 */
final class RecordWriter {
    private static final SerializableString COMMAND_ID = name("command_id"), TYPE = name("type"), SKU = name("sku"),
            OUTCOME = name("outcome"), REASON = name("reason"), DUPLICATE = name("duplicate"),
            RESERVATION_ID = name("reservation_id"), ORDER_ID = name("order_id"), WAREHOUSE = name("warehouse"),
            QUANTITY = name("quantity"), ALLOCATIONS = name("allocations"), REMAINING = name("remaining"),
            EXPIRES_AT = name("expires_at"), LEDGER_SEQUENCE = name("ledger_sequence"), AT = name("at"),
            SOURCE = name("source"), TOPIC = name("topic"), PARTITION = name("partition"), OFFSET = name("offset"),
            SEQUENCE = name("sequence"), MOVEMENT = name("movement"), COMMAND = name("command"),
            COMMAND_HASH = name("command_hash"), ORIGIN = name("origin"), ON_HAND_DELTA = name("on_hand_delta"),
            RESERVED_DELTA = name("reserved_delta"), ON_HAND = name("on_hand"), RESERVED = name("reserved"),
            REFERENCE = name("reference"), HASH = name("hash"), STOCK_COMMANDS = name("stock.commands");

    private final ByteArrayOutputStream bytes = new ByteArrayOutputStream(1024);
    private final JsonGenerator json;
    private final byte[] time = new byte[Times.LENGTH];
    private final byte[] digits = new byte[2 * LedgerChain.BYTES];

    RecordWriter() {
        try {
            json = new JsonFactory().setRootValueSeparator(null).createGenerator(bytes);
        } catch (IOException impossible) {
            throw new IllegalStateException(impossible);
        }
    }

    byte[] result(Command command, Outcome outcome, boolean isDuplicate, int partition) throws IOException {
        json.writeStartObject();
        text(COMMAND_ID, command.id());
        text(TYPE, command.type().word);
        text(SKU, command.sku());
        text(OUTCOME, outcome.outcome());
        text(REASON, outcome.reason());
        if (isDuplicate) {
            json.writeFieldName(DUPLICATE);
            json.writeBoolean(true);
        }
        text(RESERVATION_ID, outcome.reservationId());
        text(ORDER_ID, outcome.orderId());
        if (!outcome.allocated()) text(WAREHOUSE, outcome.warehouse());
        if (outcome.quantity() > 0) number(QUANTITY, outcome.quantity());
        if (outcome.allocated()) {
            json.writeFieldName(ALLOCATIONS);
            json.writeStartArray();
            json.writeStartObject();
            text(WAREHOUSE, outcome.warehouse());
            number(QUANTITY, outcome.quantity());
            json.writeEndObject();
            json.writeEndArray();
        }
        if (outcome.remaining() >= 0) number(REMAINING, outcome.remaining());
        if (outcome.expiresAt() >= 0) time(EXPIRES_AT, outcome.expiresAt());
        if (outcome.sequence() > 0) number(LEDGER_SEQUENCE, outcome.sequence());
        time(AT, outcome.at());
        json.writeFieldName(SOURCE);
        json.writeStartObject();
        number(PARTITION, partition);
        number(OFFSET, outcome.offset());
        json.writeEndObject();
        return end();
    }

    byte[] entry(LedgerEntry entry) throws IOException {
        json.writeStartObject();
        text(SKU, entry.sku);
        number(SEQUENCE, entry.sequence);
        text(MOVEMENT, entry.movement);
        time(AT, entry.at);
        text(COMMAND, entry.command.word);
        text(COMMAND_ID, entry.commandId);
        LedgerChain.writeHexadecimal(entry.commandHash, digits, 0);
        json.writeFieldName(COMMAND_HASH);
        json.writeRawUTF8String(digits, 0, 16);
        json.writeFieldName(SOURCE);
        json.writeStartObject();
        json.writeFieldName(TOPIC);
        json.writeString(STOCK_COMMANDS);
        number(PARTITION, entry.partition);
        number(OFFSET, entry.offset);
        json.writeEndObject();
        text(RESERVATION_ID, entry.reservationId);
        text(ORDER_ID, entry.orderId);
        if (entry.origin > 0) number(ORIGIN, entry.origin);
        text(WAREHOUSE, entry.warehouse);
        number(QUANTITY, entry.quantity);
        if (entry.remaining >= 0) number(REMAINING, entry.remaining);
        if (entry.expiresAt >= 0) time(EXPIRES_AT, entry.expiresAt);
        if (entry.reason == null) {
            number(ON_HAND_DELTA, entry.onHandDelta);
            number(RESERVED_DELTA, entry.reservedDelta);
            number(ON_HAND, entry.onHand);
            number(RESERVED, entry.reserved);
        }
        text(REASON, entry.reason);
        text(REFERENCE, entry.reference);
        LedgerChain.writeHexadecimal(entry.hash, digits, 0);
        json.writeFieldName(HASH);
        json.writeRawUTF8String(digits, 0, digits.length);
        return end();
    }

    private byte[] end() throws IOException {
        json.writeEndObject();
        json.flush();
        byte[] record = bytes.toByteArray();
        bytes.reset();
        return record;
    }

    private void text(SerializableString name, String text) throws IOException {
        if (text == null) return;
        json.writeFieldName(name);
        json.writeString(text);
    }

    private void number(SerializableString name, long number) throws IOException {
        json.writeFieldName(name);
        json.writeNumber(number);
    }

    private void time(SerializableString name, long milliseconds) throws IOException {
        Times.write(milliseconds, time);
        json.writeFieldName(name);
        json.writeRawUTF8String(time, 0, time.length);
    }

    private static SerializableString name(String text) {
        return new SerializedString(text);
    }
}
