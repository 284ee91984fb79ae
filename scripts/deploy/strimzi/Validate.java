import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.introspect.Annotated;
import com.fasterxml.jackson.databind.introspect.JacksonAnnotationIntrospector;
import com.fasterxml.jackson.dataformat.yaml.YAMLFactory;
import io.strimzi.api.kafka.model.topic.KafkaTopic;
import io.strimzi.api.kafka.model.user.KafkaUser;
import java.util.Map;

/**
 * Reads resources from standard input with the classes of Strimzi's operators, strictly: a field or a word that they do not know is an error. Prints how
 * many there are of each kind.
 */
class Validate {
    public static void main(String[] arguments) throws Exception {
        var mapper = new ObjectMapper(new YAMLFactory());
        // Strimzi keeps fields that it does not know, to warn of them.
        mapper.setAnnotationIntrospector(new JacksonAnnotationIntrospector() {
            @Override
            public Boolean hasAnySetter(Annotated annotated) {
                return false;
            }
        });
        var classes = Map.of("KafkaTopic", KafkaTopic.class, "KafkaUser", KafkaUser.class);
        var found = new java.util.TreeMap<String, Integer>();
        for (var resources = mapper.readerFor(JsonNode.class).<JsonNode>readValues(System.in); resources.hasNext();) {
            JsonNode resource = resources.next();
            String kind = resource.path("kind").asText();
            if (!classes.containsKey(kind)) {
                throw new IllegalArgumentException("unexpected kind: " + kind);
            }
            // A word that Strimzi does not know is read as none.
            JsonNode read = mapper.valueToTree(mapper.treeToValue(resource, classes.get(kind)));
            compare(kind + " " + resource.at("/metadata/name").asText(), resource, read);
            found.merge(kind, 1, Integer::sum);
        }
        System.out.println(found);
    }

    private static void compare(String path, JsonNode written, JsonNode read) {
        if (written.isContainerNode() && read != null && written.size() == read.size()) {
            written.fieldNames().forEachRemaining(name -> compare(path + " " + name, written.get(name), read.get(name)));
            for (int at = 0; written.isArray() && at < written.size(); at++) {
                compare(path + " " + at, written.get(at), read.get(at));
            }
        } else if (!written.equals(read)) {
            throw new IllegalArgumentException(path + ": " + written + " was read as " + read);
        }
    }
}
