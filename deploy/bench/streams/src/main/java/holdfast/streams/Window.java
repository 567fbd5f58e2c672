package holdfast.streams;

import java.util.LinkedHashMap;
import java.util.Map;

/** What was decided last, by some id: as many as the standard window of ours holds, the oldest is forgotten first. */
final class Window<V> extends LinkedHashMap<String, V> {
    private static final long serialVersionUID = 1;
    private static final int CAPACITY = 65_536;

    @Override
    protected boolean removeEldestEntry(Map.Entry<String, V> eldest) {
        return size() > CAPACITY;
    }
}
