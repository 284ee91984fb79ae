package example.streamjob;

import static org.junit.jupiter.api.Assertions.assertEquals;

import com.google.protobuf.Timestamp;
import example.streamjob.v1.InfectedFile;
import hookgate.v1.EventOuterClass.Event;
import hookgate.v1.Uploadcare.UploadcareFile;
import hookgate.v1.Uploadcare.UploadcareVirusScan;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.serialization.LongDeserializer;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;
import org.apache.kafka.streams.TestInputTopic;
import org.apache.kafka.streams.TopologyTestDriver;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class StreamJobTest {

    private static final Instant NOON = Instant.parse("2026-05-01T12:00:00Z");
    private static final Instant RECEIVED = NOON.plusSeconds(30);

    private TopologyTestDriver driver;

    @BeforeEach
    void start() {
        driver = new TopologyTestDriver(StreamJob.topology("p.", "job"), StreamJob.properties("none:9092", "job"));
    }

    @AfterEach
    void stop() {
        driver.close();
    }

    private record Sent(String type, String key, byte[] value) {}

    private void send(Sent sent) {
        TestInputTopic<String, byte[]> topic =
                driver.createInputTopic("p.uploadcare." + sent.type, new StringSerializer(), new ByteArraySerializer());
        topic.pipeInput(sent.key, sent.value, RECEIVED);
    }

    /** Returns an event that was received half a minute past noon; {@code occurred} may be null. */
    private static Sent event(String type, String id, String file, Instant occurred, UploadcareFile payload) {
        return event(type, id, file, occurred, RECEIVED, payload);
    }

    private static Sent event(String type, String id, String file, Instant occurred, Instant received, UploadcareFile payload) {
        var event = Event.newBuilder().setId(id).setType(type).setSubject(file).setReceivedAt(time(received));
        if (occurred != null) {
            event.setOccurredAt(time(occurred));
        }
        return new Sent(type, file, event.setUploadcareFile(payload).build().toByteArray());
    }

    private static Sent plain(String type, String id, Instant occurred) {
        return event(type, id, "f", occurred, UploadcareFile.getDefaultInstance());
    }

    private static Sent uploaded(String id, String file, Instant at, String name) {
        return event("file.uploaded", id, file, at, UploadcareFile.newBuilder().setOriginalFilename(name).build());
    }

    private static Sent infected(String id, String file, Instant at, String found) {
        var scan = UploadcareVirusScan.newBuilder().setInfected(true).setInfectedWith(found);
        return event("file.infected", id, file, at, UploadcareFile.newBuilder().setVirusScan(scan).build());
    }

    private static Timestamp time(Instant instant) {
        return Timestamp.newBuilder().setSeconds(instant.getEpochSecond()).setNanos(instant.getNano()).build();
    }

    private Map<String, String> infectedFiles() {
        var serde = ProtobufSerde.of(InfectedFile.parser());
        var files = driver.createOutputTopic("job.infected-files", new StringDeserializer(), serde.deserializer()).readKeyValuesToMap();
        var text = new TreeMap<String, String>();
        files.forEach((key, file) -> text.put(key, file.getUpload().getName() + ": " + file.getInfection().getFound()));
        return text;
    }

    @Test
    void anUploadAndItsInfectionMeetInAnyOrderAndHoweverOften() {
        for (int seed = 0; seed < 20; seed++) {
            String a = "a" + seed;
            String b = "b" + seed;
            List<Sent> events = new ArrayList<>(List.of(
                    uploaded("1", a, NOON, "a.exe"),
                    infected("2", a, NOON.plusSeconds(9), "old"),
                    infected("3", a, NOON.plusSeconds(20), "Eicar"),
                    // Two at one time: the greater id wins.
                    infected("5", b, NOON, "one"),
                    infected("6", b, NOON, "two"),
                    uploaded("7", b, NOON, "b.exe"),
                    uploaded("8", "clean" + seed, NOON, "c.txt"),
                    infected("9", "never-uploaded" + seed, NOON, "x")));
            events.addAll(List.copyOf(events));
            Collections.shuffle(events, new Random(seed));
            events.forEach(this::send);
            assertEquals(Map.of(a, "a.exe: Eicar", b, "b.exe: two"), infectedFiles(), "seed " + seed);
        }
    }

    @Test
    void everyEventCanReportAnInfection() {
        for (String type : List.of("file.uploaded", "file.stored", "file.deleted", "file.info_updated")) {
            send(uploaded("1", type, NOON, "a.exe"));
            var scan = UploadcareVirusScan.newBuilder().setInfected(true).setInfectedWith(type);
            var file = UploadcareFile.newBuilder().setOriginalFilename("a.exe").setVirusScan(scan).build();
            send(event(type, "2", type, NOON.plusSeconds(1), file));
            assertEquals(Map.of(type, "a.exe: " + type), infectedFiles());
        }
        send(uploaded("3", "unsaid", NOON, "b.exe"));
        send(event("file.infected", "4", "unsaid", NOON, UploadcareFile.getDefaultInstance()));
        assertEquals(Map.of("unsaid", "b.exe: "), infectedFiles());
    }

    @Test
    void anEmptyRecordIsNotAnEvent() {
        send(new Sent("file.uploaded", "f", new byte[0]));
        send(infected("1", "f", NOON, "Eicar"));
        assertEquals(Map.of(), infectedFiles());
        check(Map.of("file.infected@2026-05-01T12:00:00Z", 1L));
    }

    @Test
    void anEventIsCountedOnceInItsWindow() {
        send(plain("file.stored", "1", NOON.minusSeconds(3600)));
        send(plain("file.stored", "1", NOON.minusSeconds(3600)));
        send(plain("file.stored", "3", NOON));
        send(plain("file.deleted", "4", NOON.minusSeconds(1)));
        check(Map.of(
                "file.stored@2026-05-01T11:00:00Z", 1L,
                "file.stored@2026-05-01T12:00:00Z", 1L,
                "file.deleted@2026-05-01T11:00:00Z", 1L));
    }

    private void check(Map<String, Long> wanted) {
        var topic = driver.createOutputTopic("job.counts", new StringDeserializer(), new LongDeserializer());
        assertEquals(new TreeMap<>(wanted), new TreeMap<>(topic.readKeyValuesToMap()));
    }

    @Test
    void impossibleTimesAreReplacedByTheTimeOfReceipt() {
        send(plain("file.stored", "1", null));
        // A year ahead: if the job believed that, the next events would be too late.
        send(plain("file.stored", "2", NOON.plusSeconds(365 * 86400)));
        send(plain("file.stored", "3", Instant.ofEpochSecond(-5)));
        send(plain("file.stored", "4", NOON));
        // A clock may be ahead by that much.
        send(plain("file.deleted", "5", RECEIVED.plusSeconds(299)));
        check(Map.of("file.stored@2026-05-01T12:00:00Z", 4L, "file.deleted@2026-05-01T12:00:00Z", 1L));
    }

    @Test
    void anEventAfterTheGracePeriodIsNotCounted() {
        Instant days = NOON.minusSeconds(73 * 3600);
        send(plain("file.stored", "1", NOON));
        // Its window ends 73 hours before noon. The event above has closed it, but not the next window.
        send(plain("file.stored", "2", days.minusSeconds(1)));
        send(plain("file.stored", "3", days));
        send(plain("file.stored", "3", days));
        check(Map.of("file.stored@2026-05-01T12:00:00Z", 1L, "file.stored@" + days, 1L));
    }

    @Test
    void withoutAProvidersTimeARepetitionInALaterWindowCountsThere() {
        send(event("file.info_updated", "1", "f", null, RECEIVED, UploadcareFile.getDefaultInstance()));
        send(event("file.info_updated", "1", "f", null, RECEIVED.plusSeconds(3600), UploadcareFile.getDefaultInstance()));
        check(Map.of("file.info_updated@2026-05-01T12:00:00Z", 1L, "file.info_updated@2026-05-01T13:00:00Z", 1L));
    }

    @Test
    void recordsThatAreNotEventsAreSkipped() {
        send(new Sent("file.stored", "poison", new byte[] {(byte) 0xff, 1, 2}));
        send(new Sent("file.stored", "taken-back", null));
        send(new Sent("file.stored", null, plain("file.stored", "1", NOON).value));
        send(plain("file.stored", "2", NOON));
        check(Map.of("file.stored@2026-05-01T12:00:00Z", 1L));
    }
}
