package example.streamjob;

import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.Message;
import com.google.protobuf.Parser;
import org.apache.kafka.common.errors.SerializationException;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;

/** Plain protobuf, as Hookgate writes it without a schema registry: no bytes before the message. */
final class ProtobufSerde {

    private ProtobufSerde() {}

    static <T extends Message> Serde<T> of(Parser<T> parser) {
        return Serdes.serdeFrom(
                (topic, message) -> message == null ? null : message.toByteArray(),
                (topic, bytes) -> {
                    try {
                        return bytes == null ? null : parser.parseFrom(bytes);
                    } catch (InvalidProtocolBufferException error) {
                        throw new SerializationException("not a protobuf message of the expected type", error);
                    }
                });
    }
}
