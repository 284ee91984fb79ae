import com.google.protobuf.Message;
import com.google.protobuf.util.JsonFormat;
import io.confluent.kafka.serializers.protobuf.KafkaProtobufDeserializer;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.StringDeserializer;

/**
 * Prints every record of some topics as one JSON object per line, decoded by the standard Java deserializer: Confluent's, which asks the
 * schema registry for the schema that a value was written with. It decodes a value to the given class, or, without one, to a
 * DynamicMessage of the registered schema, without any generated code.
 *
 * <p>example: java -cp "$(scripts/tools/java)" tests/kafka/Deserialize.java 127.0.0.1:19092 http://127.0.0.1:19880/apis/ccompat/v7 \
 * hookgate.quarantine 'specific.protobuf.value.type=hookgate.v1.EventOuterClass$Event'
 *
 * <p>The arguments are brokers, the URL of the registry's Confluent API, comma-separated topics, then settings of the consumer. Each line
 * has topic, key, event, and the name of the class of the decoded event.
 */
final class Deserialize {
    private static final JsonFormat.Printer PRINTER =
            JsonFormat.printer().preservingProtoFieldNames().omittingInsignificantWhitespace();

    public static void main(String[] arguments) throws Exception {
        Map<String, Object> settings = new HashMap<>();
        settings.put("bootstrap.servers", arguments[0]);
        settings.put("schema.registry.url", arguments[1]);
        settings.put("key.deserializer", StringDeserializer.class.getName());
        settings.put("value.deserializer", KafkaProtobufDeserializer.class.getName());
        for (String setting : List.of(arguments).subList(3, arguments.length)) {
            String[] parts = setting.split("=", 2);
            settings.put(parts[0], parts[1]);
        }
        try (KafkaConsumer<String, Message> consumer = new KafkaConsumer<>(settings)) {
            printAll(consumer, List.of(arguments[2].split(",")));
        }
    }

    /** Prints all records from the beginning to the present ends. */
    private static void printAll(KafkaConsumer<String, Message> consumer, List<String> topics) throws Exception {
        List<TopicPartition> partitions = topics.stream()
                .flatMap(topic -> consumer.partitionsFor(topic).stream())
                .map(partition -> new TopicPartition(partition.topic(), partition.partition()))
                .toList();
        Map<TopicPartition, Long> ends = consumer.endOffsets(partitions);
        consumer.assign(partitions);
        consumer.seekToBeginning(partitions);
        long heard = System.nanoTime();
        while (ends.entrySet().stream().anyMatch(end -> consumer.position(end.getKey()) < end.getValue())) {
            for (ConsumerRecord<String, Message> record : consumer.poll(Duration.ofSeconds(1))) {
                heard = System.nanoTime();
                System.out.printf("{\"topic\":\"%s\",\"key\":\"%s\",\"class\":\"%s\",\"event\":%s}%n",
                        record.topic(), record.key(), record.value().getClass().getName(), PRINTER.print(record.value()));
            }
            if (System.nanoTime() - heard > 10_000_000_000L) {
                throw new IllegalStateException("nothing to read for ten seconds");
            }
        }
    }
}
