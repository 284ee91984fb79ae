package example.streamjob;

import hookgate.v1.EventOuterClass.Event;
import java.time.Duration;
import java.util.Set;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.kstream.TimeWindows;
import org.apache.kafka.streams.processor.api.FixedKeyProcessor;
import org.apache.kafka.streams.processor.api.FixedKeyProcessorContext;
import org.apache.kafka.streams.processor.api.FixedKeyProcessorSupplier;
import org.apache.kafka.streams.processor.api.FixedKeyRecord;
import org.apache.kafka.streams.state.StoreBuilder;
import org.apache.kafka.streams.state.Stores;
import org.apache.kafka.streams.state.WindowStore;

/**
 * Lets each event id through once per window, and none that is too late for its window.
 *
 * <p>An equal id means the same bytes, so also the same key and the same partition of the same topic. So the store of that partition can
 * remember the seen ids. It keeps them until the window closes. After that the event is too late, and it does not matter whether it was
 * seen. One clock decides both here, so there is no gap between them.
 */
final class OncePerWindow implements FixedKeyProcessorSupplier<String, Event, Event> {

    private static final String STORE = "seen-ids";

    private final TimeWindows windows;

    OncePerWindow(TimeWindows windows) {
        this.windows = windows;
    }

    @Override
    public Set<StoreBuilder<?>> stores() {
        Duration size = Duration.ofMillis(windows.sizeMs);
        Duration kept = size.plusMillis(windows.gracePeriodMs());
        return Set.of(Stores.windowStoreBuilder(
                Stores.persistentWindowStore(STORE, kept, size, false), Serdes.String(), Serdes.ByteArray()));
    }

    @Override
    public FixedKeyProcessor<String, Event, Event> get() {
        return new FixedKeyProcessor<>() {
            private FixedKeyProcessorContext<String, Event> context;
            private WindowStore<String, byte[]> seen;

            @Override
            public void init(FixedKeyProcessorContext<String, Event> context) {
                this.context = context;
                this.seen = context.getStateStore(STORE);
            }

            @Override
            public void process(FixedKeyRecord<String, Event> record) {
                long start = record.timestamp() - record.timestamp() % windows.sizeMs;
                boolean late = start + windows.sizeMs + windows.gracePeriodMs() <= context.currentStreamTimeMs();
                String id = record.value().getId();
                if (late || seen.fetch(id, start) != null) {
                    return;
                }
                seen.put(id, new byte[0], start);
                context.forward(record);
            }
        };
    }
}
