package example.streamjob;

import com.google.protobuf.Timestamp;
import hookgate.v1.EventOuterClass.Event;
import java.time.Duration;
import java.time.Instant;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.streams.processor.TimestampExtractor;

/** The time of an event: the provider's time where it is plausible, or else the time at which Hookgate received the event. */
public final class EventTime implements TimestampExtractor {

    /**
     * The longest time by which a provider's clock may be ahead of Hookgate's. A later time would move the job's own time into the future,
     * and every event after it would be too late to be counted.
     */
    static final Duration AHEAD = Duration.ofMinutes(5);

    @Override
    public long extract(ConsumerRecord<Object, Object> record, long partitionTime) {
        // Hookgate writes received_at into the record's timestamp as well. The timestamp is used only for records without an event.
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
