package holdfast.streams;

import java.time.OffsetDateTime;

/** Times as the topics have them: RFC 3339, UTC, milliseconds. java.time takes some ten times longer. */
final class Times {
    static final int LENGTH = 24;

    private Times() {}

    /** Writes `2026-11-24T09:00:00.000Z` into the buffer's first {@link #LENGTH} bytes. */
    static void write(long milliseconds, byte[] buffer) {
        long days = Math.floorDiv(milliseconds, 86_400_000L);
        int rest = (int) (milliseconds - days * 86_400_000L);
        // Howard Hinnant's civil_from_days.
        long shifted = days + 719_468;
        long era = Math.floorDiv(shifted, 146_097L);
        int dayOfEra = (int) (shifted - era * 146_097);
        int yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365;
        int dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100);
        int marchMonth = (5 * dayOfYear + 2) / 153;
        int month = marchMonth < 10 ? marchMonth + 3 : marchMonth - 9;
        int year = (int) (yearOfEra + era * 400) + (month <= 2 ? 1 : 0);
        digits(buffer, 0, 4, year);
        buffer[4] = '-';
        digits(buffer, 5, 2, month);
        buffer[7] = '-';
        digits(buffer, 8, 2, dayOfYear - (153 * marchMonth + 2) / 5 + 1);
        buffer[10] = 'T';
        digits(buffer, 11, 2, rest / 3_600_000);
        buffer[13] = ':';
        digits(buffer, 14, 2, rest / 60_000 % 60);
        buffer[16] = ':';
        digits(buffer, 17, 2, rest / 1000 % 60);
        buffer[19] = '.';
        digits(buffer, 20, 3, rest % 1000);
        buffer[23] = 'Z';
    }

    /** Milliseconds since 1970. */
    static long read(String text) {
        return OffsetDateTime.parse(text).toInstant().toEpochMilli();
    }

    private static void digits(byte[] buffer, int start, int count, int number) {
        for (int place = start + count - 1; place >= start; place--) {
            buffer[place] = (byte) ('0' + number % 10);
            number /= 10;
        }
    }
}
