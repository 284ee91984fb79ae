import java.net.URI;
import java.net.URLDecoder;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.Base64;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;
import javax.security.auth.callback.Callback;
import javax.security.auth.callback.UnsupportedCallbackException;
import javax.security.auth.login.AppConfigurationEntry;
import org.apache.kafka.common.security.auth.AuthenticateCallbackHandler;
import org.apache.kafka.common.security.oauthbearer.OAuthBearerToken;
import org.apache.kafka.common.security.oauthbearer.OAuthBearerValidatorCallback;

/**
 * Stands in for Amazon MSK in a broker of the tests: it takes a token only if it is a URL that Signature Version 4 signs with one of the keys
 * below, for the region of the tests and for this time. It shares no code with Hookgate.
 */
public final class MskIam implements AuthenticateCallbackHandler {
    private static final String REGION = "eu-central-1";
    private static final DateTimeFormatter TIME = DateTimeFormatter.ofPattern("yyyyMMdd'T'HHmmss'Z'").withZone(ZoneOffset.UTC);

    /** A key of the tests. For a late one, the clock of the broker is sixteen minutes ahead, so that its tokens have expired. */
    private record Key(String secret, String sessionToken, String principal, boolean late) {}

    private static final Map<String, Key> KEYS = Map.of(
            "AKIDWRITER", new Key("secret/of+the/writer", null, "writer", false),
            "AKIDREADER", new Key("secret/of+the/reader", null, "reader", false),
            "AKIDLATE", new Key("secret/of+the/late", null, "writer", true),
            "ASIAWRITER", new Key("temporary/secret+of/the/writer", "session/token+of/the/writer==", "writer", false));

    private record Token(String value, Long startTimeMs, long lifetimeMs, String principalName) implements OAuthBearerToken {
        @Override
        public Set<String> scope() {
            return Set.of();
        }
    }

    @Override
    public void configure(Map<String, ?> configs, String mechanism, List<AppConfigurationEntry> entries) {}

    @Override
    public void close() {}

    @Override
    public void handle(Callback[] callbacks) throws UnsupportedCallbackException {
        for (Callback callback : callbacks) {
            if (!(callback instanceof OAuthBearerValidatorCallback validator)) {
                throw new UnsupportedCallbackException(callback);
            }
            try {
                validator.token(validate(validator.tokenValue()));
            } catch (Exception refused) {
                System.err.println("refused a token: " + refused);
                validator.error("invalid_token", null, null);
            }
        }
    }

    private static void check(boolean holds, String what) {
        if (!holds) {
            throw new IllegalArgumentException(what);
        }
    }

    private static Token validate(String value) throws Exception {
        URI url = URI.create(new String(Base64.getUrlDecoder().decode(value), StandardCharsets.UTF_8));
        check(url.getScheme().equals("https") && url.getPath().equals("/"), "the URL");
        check(url.getHost().equals("kafka." + REGION + ".amazonaws.com"), "the host");
        var query = new TreeMap<String, String>();
        for (String pair : url.getRawQuery().split("&")) {
            String[] parts = pair.split("=", 2);
            String text = URLDecoder.decode(parts[1].replace("+", "%2B"), StandardCharsets.UTF_8);
            check(query.put(parts[0], text) == null, "a parameter twice");
        }
        check(query.remove("User-Agent") != null, "no User-Agent");
        String signature = query.remove("X-Amz-Signature");
        String time = query.get("X-Amz-Date");
        String scope = time.substring(0, 8) + "/" + REGION + "/kafka-cluster/aws4_request";
        String[] credential = query.get("X-Amz-Credential").split("/", 2);
        check(query.get("Action").equals("kafka-cluster:Connect"), "the action");
        check(query.get("X-Amz-Algorithm").equals("AWS4-HMAC-SHA256"), "the algorithm");
        check(query.get("X-Amz-SignedHeaders").equals("host"), "the signed headers");
        check(credential[1].equals(scope), "the scope");
        Key key = KEYS.get(credential[0]);
        check(key != null, "an unknown key");
        String sessionToken = query.get("X-Amz-Security-Token");
        check(key.sessionToken == null ? sessionToken == null : key.sessionToken.equals(sessionToken), "the session token");

        Instant signed = Instant.from(TIME.parse(time));
        Instant now = Instant.now().plusSeconds(key.late ? 960 : 0);
        long seconds = Long.parseLong(query.get("X-Amz-Expires"));
        check(seconds > 0 && seconds <= 900, "the life");
        check(signed.isBefore(now.plusSeconds(60)) && signed.plusSeconds(seconds).isAfter(now), "the time");
        check(MessageDigest.isEqual(sign(query, url.getHost(), time, scope, key.secret).getBytes(), signature.getBytes()), "the signature");
        return new Token(value, signed.toEpochMilli(), signed.plusSeconds(seconds).toEpochMilli(), key.principal);
    }

    private static String sign(TreeMap<String, String> query, String host, String time, String scope, String secret) throws Exception {
        var written = new StringBuilder();
        for (var pair : query.entrySet()) {
            String text = URLEncoder.encode(pair.getValue(), StandardCharsets.UTF_8);
            text = text.replace("+", "%20").replace("*", "%2A").replace("%7E", "~");
            written.append(written.isEmpty() ? "" : "&").append(pair.getKey()).append('=').append(text);
        }
        String request = "GET\n/\n" + written + "\nhost:" + host + "\n\nhost\n" + digest("");
        byte[] key = ("AWS4" + secret).getBytes(StandardCharsets.UTF_8);
        for (String part : scope.split("/")) {
            key = mac(key, part);
        }
        return HexFormat.of().formatHex(mac(key, "AWS4-HMAC-SHA256\n" + time + "\n" + scope + "\n" + digest(request)));
    }

    private static byte[] mac(byte[] key, String text) throws Exception {
        Mac mac = Mac.getInstance("HmacSHA256");
        mac.init(new SecretKeySpec(key, "HmacSHA256"));
        return mac.doFinal(text.getBytes(StandardCharsets.UTF_8));
    }

    private static String digest(String text) throws Exception {
        return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(text.getBytes(StandardCharsets.UTF_8)));
    }
}
