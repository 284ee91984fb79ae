import com.google.protobuf.Timestamp;
import hookgate.v1.EventOuterClass.Event;
import hookgate.v1.Uploadcare.UploadcareFile;
import java.nio.file.Files;
import java.nio.file.Path;

/** Decodes one record's value with the generated code and prints what scripts/schema/codegen expects of every language. */
final class Decode {
    public static void main(String[] arguments) throws Exception {
        Event event = Event.parseFrom(Files.readAllBytes(Path.of(arguments[0])));
        UploadcareFile file = event.getUploadcareFile();
        System.out.println("id=" + event.getId());
        System.out.println("type=" + event.getType());
        System.out.println("subject=" + event.getSubject());
        System.out.println("received_at=" + time(event.getReceivedAt()));
        System.out.println("occurred_at=" + time(event.getOccurredAt()));
        System.out.println("origin=" + event.getOriginValue());
        System.out.println("proof_header=" + event.getProof().getHeaders(0).getName());
        System.out.println("body_bytes=" + event.getBody().size());
        System.out.println("payload=" + event.getPayloadCase().name().toLowerCase());
        System.out.println("size=" + (file.hasSize() ? Long.toUnsignedString(file.getSize()) : "absent"));
        System.out.println("is_image=" + (file.hasIsImage() ? file.getIsImage() : "absent"));
        System.out.println("infected=" + file.getVirusScan().getInfected());
        System.out.println("infected_with=" + file.getVirusScan().getInfectedWith());
        System.out.println("hook_id=" + file.getHook().getId());
        System.out.println("initiator=" + file.getInitiator().getTypeValue());
        System.out.println("previous_virus_scan=" + (file.hasPreviousVirusScan() ? "present" : "absent"));
    }

    private static String time(Timestamp time) {
        return String.format("%d.%09d", time.getSeconds(), time.getNanos());
    }
}
