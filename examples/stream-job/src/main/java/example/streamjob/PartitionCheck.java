package example.streamjob;

import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.Future;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * Sends every key of a topic to another topic with the same number of partitions, with the default producer of the Java client, and
 * compares the partitions. Kafka Streams checks that the topics of a join have equally many partitions, but it cannot check this.
 *
 * <p>Usage: {@code PartitionCheck brokers topic other-topic}
 */
public final class PartitionCheck {

    private PartitionCheck() {}

    public static void main(String[] arguments) throws Exception {
        List<ConsumerRecord<byte[], byte[]>> records = records(arguments[0], arguments[1]);
        Set<String> keys = new HashSet<>();
        int elsewhere = 0;
        Map<String, Object> properties = Map.of("bootstrap.servers", arguments[0]);
        try (var producer = new KafkaProducer<>(properties, new ByteArraySerializer(), new ByteArraySerializer())) {
            List<Future<RecordMetadata>> sent = new ArrayList<>();
            for (var record : records) {
                sent.add(producer.send(new ProducerRecord<>(arguments[2], record.key(), null)));
            }
            for (int i = 0; i < records.size(); i++) {
                String key = new String(records.get(i).key(), StandardCharsets.UTF_8);
                keys.add(key);
                if (sent.get(i).get().partition() != records.get(i).partition()) {
                    elsewhere++;
                    System.out.printf("%s: %d, by Java %d%n", key, records.get(i).partition(), sent.get(i).get().partition());
                }
            }
        }
        System.out.printf("%d keys, %d records elsewhere than a Java producer puts them%n", keys.size(), elsewhere);
        System.exit(elsewhere == 0 ? 0 : 1);
    }

    private static List<ConsumerRecord<byte[], byte[]>> records(String brokers, String topic) {
        Map<String, Object> properties = Map.of("bootstrap.servers", brokers, "isolation.level", "read_committed");
        List<ConsumerRecord<byte[], byte[]>> records = new ArrayList<>();
        try (var consumer = new KafkaConsumer<>(properties, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            List<TopicPartition> partitions = consumer.partitionsFor(topic).stream()
                    .map(it -> new TopicPartition(topic, it.partition()))
                    .toList();
            consumer.assign(partitions);
            consumer.seekToBeginning(partitions);
            Map<TopicPartition, Long> ends = consumer.endOffsets(partitions);
            while (partitions.stream().anyMatch(it -> consumer.position(it) < ends.get(it))) {
                consumer.poll(Duration.ofSeconds(1)).forEach(records::add);
            }
        }
        return records;
    }
}
