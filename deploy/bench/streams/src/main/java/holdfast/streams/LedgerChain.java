package holdfast.streams;

import java.nio.charset.StandardCharsets;
import java.security.DigestException;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;

/**
 * SHA-256 over the canonical form of an entry, which begins with the hash of the entry before it of the same SKU:
 * the form of docs/ledger.md, so that the work is the same as ours. Fields that this program knows not are absent.
 */
final class LedgerChain {
    /** The length of a hash. */
    static final int BYTES = 32;

    private static final byte[] HEX = "0123456789abcdef".getBytes(StandardCharsets.US_ASCII);

    private final MessageDigest digest;
    private byte[] form = new byte[1024];
    private int length;

    LedgerChain() {
        try {
            digest = MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException impossible) {
            throw new IllegalStateException(impossible);
        }
    }

    /** Sets the entry's hash. */
    void seal(LedgerEntry entry, byte[] previous) {
        length = 0;
        add("holdfast ledger 1");
        addHexadecimal(previous);
        add(entry.sku);
        add(1); // generation
        add(entry.sequence);
        add("false"); // more
        add(entry.movement);
        add(entry.at);
        add(entry.command.word);
        add(entry.commandId);
        addHexadecimal(entry.commandHash);
        add(entry.partition);
        add(entry.offset);
        add(entry.reservationId);
        add(entry.orderId);
        absent(1); // transfer
        if (entry.origin > 0) add(entry.origin); else absent(1);
        absent(1); // channel
        add(entry.warehouse);
        absent(1); // counterpart
        add(entry.quantity);
        absent(1); // requested
        if (entry.remaining >= 0) add(entry.remaining); else absent(1);
        if (entry.expiresAt >= 0) add(entry.expiresAt); else absent(1);
        absent(1); // expected arrival
        add("false"); // named
        add("true"); // may be split
        add(entry.onHandDelta);
        add(entry.reservedDelta);
        for (int delta = 0; delta < 3; delta++) add(0); // in transit, damaged, backordered
        if (entry.reason == null) {
            add(entry.onHand);
            add(entry.reserved);
            for (int balance = 0; balance < 3; balance++) add(0); // in transit, damaged, set apart
        } else {
            absent(5);
        }
        absent(1); // backordered
        add(entry.reason);
        absent(3); // condition, reason code, note
        add(entry.reference);
        absent(1); // details
        digest.update(form, 0, length);
        try {
            digest.digest(entry.hash, 0, BYTES);
        } catch (DigestException impossible) {
            throw new IllegalStateException(impossible);
        }
    }

    /** Writes bytes as twice as many digits, from `start` on. */
    static void writeHexadecimal(byte[] bytes, byte[] target, int start) {
        for (byte value : bytes) {
            target[start++] = HEX[value >> 4 & 15];
            target[start++] = HEX[value & 15];
        }
    }

    /** Writes 16 digits. */
    static void writeHexadecimal(long word, byte[] target, int start) {
        for (int shift = 60; shift >= 0; shift -= 4) target[start++] = HEX[(int) (word >>> shift) & 15];
    }

    private void add(String text) {
        if (text == null) {
            absent(1);
            return;
        }
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        begin(bytes.length);
        System.arraycopy(bytes, 0, form, length, bytes.length);
        end(bytes.length);
    }

    private void add(long number) {
        int digits = number < 0 ? 2 : 1;
        for (long rest = number / 10; rest != 0; rest /= 10) digits++;
        begin(digits);
        int place = length + digits;
        long rest = Math.abs(number);
        do {
            form[--place] = (byte) ('0' + rest % 10);
            rest /= 10;
        } while (rest != 0);
        if (number < 0) form[--place] = '-';
        end(digits);
    }

    private void addHexadecimal(byte[] bytes) {
        begin(2 * bytes.length);
        writeHexadecimal(bytes, form, length);
        end(2 * bytes.length);
    }

    private void addHexadecimal(long word) {
        begin(16);
        writeHexadecimal(word, form, length);
        end(16);
    }

    /** The length and the colon, and room for what follows. */
    private void begin(int size) {
        if (form.length < length + size + 8) form = Arrays.copyOf(form, 2 * form.length + size);
        if (size >= 100) form[length++] = (byte) ('0' + size / 100);
        if (size >= 10) form[length++] = (byte) ('0' + size / 10 % 10);
        form[length++] = (byte) ('0' + size % 10);
        form[length++] = ':';
    }

    private void end(int size) {
        length += size;
        form[length++] = ',';
    }

    private void absent(int fields) {
        for (int field = 0; field < fields; field++) {
            if (form.length < length + 8) form = Arrays.copyOf(form, 2 * form.length);
            form[length++] = '-';
            form[length++] = ',';
        }
    }
}
