package example.streamjob;

import com.google.protobuf.Timestamp;
import example.streamjob.v1.InfectedFile;
import example.streamjob.v1.Infection;
import example.streamjob.v1.Upload;
import hookgate.v1.EventOuterClass.Event;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.errors.LogAndContinueExceptionHandler;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.KTable;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.kstream.TimeWindows;

/** Answers two questions about Uploadcare's files: which uploads are infected, and how many events of each type there were in an hour. */
public final class StreamJob {

    /** The windows of the counts. Uploadcare repeats a delivery for 72 hours: a window waits that long, with a margin, for late events. */
    static final TimeWindows WINDOWS = TimeWindows.ofSizeAndGrace(Duration.ofHours(1), Duration.ofHours(73));

    private static final Serde<String> STRING = Serdes.String();
    private static final Serde<Upload> UPLOAD = ProtobufSerde.of(Upload.parser());
    private static final Serde<Infection> INFECTION = ProtobufSerde.of(Infection.parser());
    private static final Serde<InfectedFile> INFECTED_FILE = ProtobufSerde.of(InfectedFile.parser());

    private StreamJob() {}

    /** Returns the topology. It reads topics with this prefix, and writes {@code <name>.infected-files} and {@code <name>.counts}. */
    static Topology topology(String prefix, String name) {
        var builder = new StreamsBuilder();
        String files = prefix + "uploadcare.file.";
        KStream<String, Event> uploaded = events(builder, List.of(files + "uploaded"));
        KStream<String, Event> infected = events(builder, List.of(files + "infected"));
        KStream<String, Event> others = events(builder, List.of(files + "stored", files + "deleted", files + "info_updated"));

        KStream<String, Event> all = uploaded.merge(infected).merge(others);

        KTable<String, InfectedFile> infectedFiles = join(uploaded, all.filter((key, event) -> infected(event)));
        infectedFiles.toStream().to(name + ".infected-files", Produced.with(STRING, INFECTED_FILE));
        count(all).to(name + ".counts", Produced.with(STRING, Serdes.Long()));
        return builder.build();
    }

    private static KStream<String, Event> events(StreamsBuilder builder, List<String> topics) {
        var consumed = Consumed.with(STRING, ProtobufSerde.of(Event.parser())).withTimestampExtractor(new EventTime());
        // For protobuf, an empty value is a message without fields. It is not an event.
        return builder.stream(topics, consumed).filter((key, event) -> key != null && event != null && !event.getId().isEmpty());
    }

    /** Every event after a virus scan carries its result, and Uploadcare plans to replace file.infected by those. */
    private static boolean infected(Event event) {
        return event.getType().equals("file.infected") || event.getUploadcareFile().getVirusScan().getInfected();
    }

    /**
     * Joins uploads and infections. Both sides are tables, not streams: a table has one row per file however often its event is repeated,
     * and waits for the other side however late that is. In all topics the key is the file's uuid, and a key has the same partition
     * number. So nothing must be sent through Kafka again to bring the sides together.
     */
    private static KTable<String, InfectedFile> join(KStream<String, Event> uploaded, KStream<String, Event> infected) {
        KTable<String, Upload> uploads = uploaded
                .mapValues(StreamJob::upload)
                .groupByKey(Grouped.with(STRING, UPLOAD))
                .reduce(
                        (known, next) -> later(next.getAt(), next.getEventId(), known.getAt(), known.getEventId()) ? next : known,
                        Materialized.with(STRING, UPLOAD));
        KTable<String, Infection> infections = infected
                .mapValues(StreamJob::infection)
                .groupByKey(Grouped.with(STRING, INFECTION))
                .reduce(
                        (known, next) -> later(next.getAt(), next.getEventId(), known.getAt(), known.getEventId()) ? next : known,
                        Materialized.with(STRING, INFECTION));
        return uploads.join(
                infections,
                (upload, infection) -> InfectedFile.newBuilder().setUpload(upload).setInfection(infection).build());
    }

    private static Upload upload(Event event) {
        String name = event.getUploadcareFile().getOriginalFilename();
        return Upload.newBuilder().setEventId(event.getId()).setAt(event.getOccurredAt()).setName(name).build();
    }

    private static Infection infection(Event event) {
        String found = event.getUploadcareFile().getVirusScan().getInfectedWith();
        return Infection.newBuilder().setEventId(event.getId()).setAt(event.getOccurredAt()).setFound(found).build();
    }

    /** Returns whether the first event replaces the second. Of two with the same time the one with the greater id wins, in every order. */
    private static boolean later(Timestamp at, String id, Timestamp thanAt, String thanId) {
        int seconds = Long.compare(at.getSeconds(), thanAt.getSeconds());
        int nanos = Integer.compare(at.getNanos(), thanAt.getNanos());
        return seconds != 0 ? seconds > 0 : nanos != 0 ? nanos > 0 : id.compareTo(thanId) > 0;
    }

    /**
     * Counts the events of each window, and publishes a count again, under the same key, whenever it grows: the newest counts. To publish
     * only the final count, put {@code suppress(untilWindowCloses(...))} after it. Then the count comes after three days, when the window
     * closes.
     */
    private static KStream<String, Long> count(KStream<String, Event> events) {
        return events.processValues(new OncePerWindow(WINDOWS))
                // Only the type goes through Kafka to be counted, not the event with its body.
                .map((key, event) -> KeyValue.pair(event.getType(), new byte[0]))
                .groupByKey(Grouped.with(STRING, Serdes.ByteArray()))
                .windowedBy(WINDOWS)
                .count(Materialized.with(STRING, Serdes.Long()))
                .toStream((window, count) -> window.key() + "@" + window.window().startTime());
    }

    static Properties properties(String brokers, String name) {
        var properties = new Properties();
        properties.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, brokers);
        properties.put(StreamsConfig.APPLICATION_ID_CONFIG, name);
        // Counts, seen ids and offsets are committed together, so a crash counts nothing twice.
        properties.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
        // A record that is not an event is logged with its place, and skipped. The default would end the job, again after each restart.
        properties.put(
                StreamsConfig.DESERIALIZATION_EXCEPTION_HANDLER_CLASS_CONFIG, LogAndContinueExceptionHandler.class.getName());
        return properties;
    }

    /** Configured by KAFKA_BROKERS, TOPIC_PREFIX, NAME, STATE_DIR and INSTANCE_ID. */
    public static void main(String[] arguments) throws InterruptedException {
        Map<String, String> variables = System.getenv();
        String name = variables.getOrDefault("NAME", "stream-job");
        Properties properties = properties(variables.getOrDefault("KAFKA_BROKERS", "127.0.0.1:19092"), name);
        if (variables.containsKey("STATE_DIR")) {
            properties.put(StreamsConfig.STATE_DIR_CONFIG, variables.get("STATE_DIR"));
        }
        if (variables.containsKey("INSTANCE_ID")) {
            // A member with a fixed name gets its partitions back when it returns, without waiting for a rebalance.
            properties.put(StreamsConfig.consumerPrefix("group.instance.id"), variables.get("INSTANCE_ID"));
        }

        var streams = new KafkaStreams(topology(variables.getOrDefault("TOPIC_PREFIX", "hookgate."), name), properties);
        var ended = new CountDownLatch(1);
        streams.setStateListener((now, before) -> {
            System.err.println("stream-job is " + now);
            if (now == KafkaStreams.State.ERROR || now == KafkaStreams.State.NOT_RUNNING) {
                ended.countDown();
            }
        });
        Runtime.getRuntime().addShutdownHook(new Thread(() -> streams.close(Duration.ofSeconds(10))));
        streams.start();
        ended.await();
        // The supervisor of the process starts it again.
        System.exit(1);
    }
}
