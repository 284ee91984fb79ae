package example.streamjob;

import com.google.protobuf.Timestamp;
import hookgate.v1.EventOuterClass.Event;
import java.time.Duration;
import java.time.Instant;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.streams.processor.TimestampExtractor;

/** The time at which something happened, by the provider's clock where that can be believed, or else at which Hookgate received it. */
public final class EventTime implements TimestampExtractor {

    /**
     * A provider's clock may be ahead of Hookgate's by this much. A time further in the future would move the job's own time there, and
     * every later event would then be too late to be counted.
     */
    static final Duration AHEAD = Duration.ofMinutes(5);

    @Override
    public long extract(ConsumerRecord<Object, Object> record, long partitionTime) {
        // Hookgate writes received_at into the record's timestamp as well; that one is left for records that hold no event.
        return record.value() instanceof Event event ? of(event, record.timestamp()) : record.timestamp();
    }

    static long of(Event event, long otherwise) {
        long received = event.hasReceivedAt() ? millis(event.getReceivedAt()) : otherwise;
        if (!event.hasOccurredAt()) {
            return received;
        }
        long occurred = millis(event.getOccurredAt());
        // Kafka Streams drops records from before 1970.
        return occurred < 0 || occurred > received + AHEAD.toMillis() ? received : occurred;
    }

    private static long millis(Timestamp time) {
        return Instant.ofEpochSecond(time.getSeconds(), time.getNanos()).toEpochMilli();
    }
}
