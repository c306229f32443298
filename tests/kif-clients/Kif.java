// Plays an application with KIF's Java client library: the same calls and answers, written anew on javax.crypto
// and Gson, the library's own reader of JSON. Commands: README.md.
import static java.nio.charset.StandardCharsets.US_ASCII;
import static java.nio.charset.StandardCharsets.UTF_8;

import com.google.gson.Gson;
import com.google.gson.JsonSyntaxException;
import java.io.BufferedReader;
import java.io.ByteArrayOutputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.ByteBuffer;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.security.ProviderException;
import java.security.SecureRandom;
import java.time.Duration;
import java.util.Arrays;
import java.util.Base64;
import javax.crypto.Cipher;
import javax.crypto.Mac;
import javax.crypto.spec.GCMParameterSpec;
import javax.crypto.spec.IvParameterSpec;
import javax.crypto.spec.SecretKeySpec;

public final class Kif {
    /** What the application learns; other members are passed over. */
    static final class Identity {
        String sub, gender, birthdate, birthcountry, birthplace, given_name, family_name, email, nonce, state;
        Address address;
    }

    static final class Address {
        String formatted, street_address, locality, region, postal_code, country;
    }

    /** The library: one per attempt to sign in. */
    static final class Tools {
        private final byte[] key, iv;
        private final String nonce;
        private String state;

        Tools(String key, String iv) {
            this.key = bytes(key);
            this.iv = bytes(iv);
            nonce = hex(random(16));
        }

        void setState(String state) {
            this.state = state;
        }

        String getNonce() {
            return nonce;
        }

        String encode(String url) throws GeneralSecurityException {
            return hex(cipher(Cipher.ENCRYPT_MODE, false).doFinal(callback(url)));
        }

        String encodeGCM(String url) throws GeneralSecurityException {
            return hex(cipher(Cipher.ENCRYPT_MODE, true).doFinal(callback(url)));
        }

        Identity decode(String info) throws GeneralSecurityException {
            return identity(decrypt(info, false));
        }

        Identity decodeGCM(String info) throws GeneralSecurityException {
            return identity(decrypt(info, true));
        }

        /** Fails on an identity without the two values, as the library does. */
        static boolean checkSecurity(Identity identity, String nonce, String state) {
            return identity.nonce.equals(nonce) && identity.state.equals(state);
        }

        private byte[] callback(String url) {
            return (url + "?nonce=" + nonce + "&state=" + state).getBytes(UTF_8);
        }

        private Identity identity(byte[] plaintext) {
            return new Gson().fromJson(new String(plaintext, UTF_8), Identity.class);
        }

        byte[] decrypt(String info, boolean gcm) throws GeneralSecurityException {
            byte[] sealed = bytes(info);
            if (sealed.length == 0) {
                throw new GeneralSecurityException("empty"); // which javax.crypto would read as an empty text
            }
            return cipher(Cipher.DECRYPT_MODE, gcm).doFinal(sealed);
        }

        Cipher cipher(int mode, boolean gcm) throws GeneralSecurityException {
            Cipher cipher = Cipher.getInstance(gcm ? "AES/GCM/NoPadding" : "AES/CBC/PKCS5Padding");
            cipher.init(mode, new SecretKeySpec(key, "AES"),
                    gcm ? new GCMParameterSpec(128, iv) : new IvParameterSpec(iv));
            return cipher;
        }
    }

    // What an application with `reference` delivery does first.
    static String claim(String relay, String app, String claim, String info) throws Exception {
        HttpResponse<String> claimed = HttpClient.newHttpClient().send(HttpRequest.newBuilder(URI.create(relay + "/idp/claim")).header("Authorization", "Basic " + Base64.getEncoder().encodeToString((app + ":" + claim).getBytes(US_ASCII))).header("Content-Type", "application/x-www-form-urlencoded").timeout(Duration.ofSeconds(10)).POST(BodyPublishers.ofString("ref=" + URLEncoder.encode(info, UTF_8))).build(), BodyHandlers.ofString()); info = claimed.statusCode() == 200 ? claimed.body() : ""; // claims
        return info;
    }

    // The relay's own wires.
    static byte[] derive(String algorithm, String key, String purpose) throws GeneralSecurityException {
        return mac(algorithm, bytes(key), ("relais-1 " + purpose).getBytes(US_ASCII));
    }

    static byte[] mac(String algorithm, byte[] key, byte[]... parts) throws GeneralSecurityException {
        Mac mac = Mac.getInstance(algorithm);
        mac.init(new SecretKeySpec(key, algorithm));
        for (byte[] part : parts) {
            mac.update(part);
        }
        return mac.doFinal();
    }

    static Cipher gcm(int mode, String key, String app, String direction, byte[] ts, byte[] iv)
            throws GeneralSecurityException {
        byte[] derived = derive("HmacSHA256", key, "aes-256-gcm " + direction + " " + app);
        Cipher cipher = Cipher.getInstance("AES/GCM/NoPadding");
        cipher.init(mode, new SecretKeySpec(derived, "AES"), new GCMParameterSpec(128, iv));
        cipher.updateAAD(ts);
        return cipher;
    }

    static String sealGcm(String key, String app, String direction, String ts, String iv, String plaintext)
            throws GeneralSecurityException {
        byte[] time = ByteBuffer.allocate(8).putLong(Long.parseLong(ts)).array();
        byte[] sealed = gcm(Cipher.ENCRYPT_MODE, key, app, direction, time, bytes(iv)).doFinal(bytes(plaintext));
        return hex(time) + iv + hex(sealed);
    }

    static String openGcm(String key, String app, String direction, String token) throws GeneralSecurityException {
        if (!token.matches("([0-9a-f][0-9a-f])*")) {
            throw new GeneralSecurityException("not lower-case hexadecimal");
        }
        byte[] raw = bytes(token), ts = Arrays.copyOf(raw, 8), iv = Arrays.copyOfRange(raw, 8, 20);
        byte[] opened = gcm(Cipher.DECRYPT_MODE, key, app, direction, ts, iv).doFinal(raw, 20, raw.length - 20);
        return ByteBuffer.wrap(ts).getLong() + "|" + hex(opened);
    }

    static String header(String app, String direction) {
        return base64("{\"alg\":\"dir\",\"enc\":\"A256CBC-HS512\",\"kid\":\"" + app + "\",\"typ\":\"relais-" + direction
                + "+jwt\"}");
    }

    static byte[] tag(byte[] key, String header, byte[] iv, byte[] sealed) throws GeneralSecurityException {
        byte[] aad = header.getBytes(US_ASCII), length = ByteBuffer.allocate(8).putLong(aad.length * 8L).array();
        return Arrays.copyOf(mac("HmacSHA512", Arrays.copyOf(key, 32), aad, iv, sealed, length), 32);
    }

    static byte[] cbc(int mode, byte[] key, byte[] iv, byte[] text) throws GeneralSecurityException {
        Cipher cipher = Cipher.getInstance("AES/CBC/PKCS5Padding");
        cipher.init(mode, new SecretKeySpec(key, 32, 32, "AES"), new IvParameterSpec(iv));
        return cipher.doFinal(text);
    }

    static String sealJwe(String key, String app, String direction, String iv, String plaintext)
            throws GeneralSecurityException {
        byte[] derived = derive("HmacSHA512", key, "jwe " + direction + " " + app);
        byte[] sealed = cbc(Cipher.ENCRYPT_MODE, derived, bytes(iv), bytes(plaintext));
        String header = header(app, direction);
        return String.join(".", header, "", base64(bytes(iv)), base64(sealed),
                base64(tag(derived, header, bytes(iv), sealed)));
    }

    static String openJwe(String key, String app, String direction, String token) throws GeneralSecurityException {
        String[] parts = token.split("\\.", -1);
        String header = header(app, direction);
        if (parts.length != 5 || !parts[0].equals(header) || !parts[1].isEmpty()) {
            throw new GeneralSecurityException("not of this application and direction");
        }
        byte[] derived = derive("HmacSHA512", key, "jwe " + direction + " " + app);
        byte[] iv = unbase64(parts[2]), sealed = unbase64(parts[3]);
        if (!MessageDigest.isEqual(tag(derived, header, iv, sealed), unbase64(parts[4]))) {
            throw new GeneralSecurityException("altered");
        }
        return "|" + hex(cbc(Cipher.DECRYPT_MODE, derived, iv, sealed));
    }

    static byte[] random(int length) {
        byte[] bytes = new byte[length];
        new SecureRandom().nextBytes(bytes);
        return bytes;
    }

    static String base64(String text) {
        return base64(text.getBytes(US_ASCII));
    }

    static String base64(byte[] bytes) {
        return Base64.getUrlEncoder().withoutPadding().encodeToString(bytes);
    }

    /** Java takes padding and spare bits; the wire does not. */
    static byte[] unbase64(String text) {
        byte[] bytes = Base64.getUrlDecoder().decode(text);
        if (!base64(bytes).equals(text)) {
            throw new IllegalArgumentException("not canonical");
        }
        return bytes;
    }

    /** Either case and, as in the library, whatever digit of Unicode Java takes for one. */
    static byte[] bytes(String hex) {
        if (hex.length() % 2 != 0) {
            throw new IllegalArgumentException("odd");
        }
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        for (int at = 0; at < hex.length(); at += 2) {
            int high = Character.digit(hex.charAt(at), 16), low = Character.digit(hex.charAt(at + 1), 16);
            if (high < 0 || low < 0) {
                throw new IllegalArgumentException("no digit");
            }
            bytes.write(high << 4 | low);
        }
        return bytes.toByteArray();
    }

    static String hex(byte[] bytes) {
        StringBuilder hex = new StringBuilder();
        for (byte one : bytes) {
            hex.append(String.format("%02x", one));
        }
        return hex.toString();
    }

    static String text(String hex) {
        return new String(bytes(hex), UTF_8);
    }

    static String shown(String text) {
        return text == null ? "null" : hex(text.getBytes(UTF_8));
    }

    static String answer(String[] in) throws Exception {
        boolean gcm = in[1].equals("AES-256-GCM") || in[1].equals("aes-256-gcm");
        switch (in[0]) {
            case "request": {
                Tools tools = new Tools(in[2], in[3]);
                String state = hex(random(8));
                tools.setState(state);
                return tools.getNonce() + "|" + state + "|" + (gcm ? tools.encodeGCM(in[4]) : tools.encode(in[4]));
            }
            case "identity": {
                Tools tools = new Tools(in[2], in[3]);
                Identity identity = gcm ? tools.decodeGCM(in[4]) : tools.decode(in[4]);
                String good;
                try {
                    good = String.valueOf(Tools.checkSecurity(identity, text(in[5]), text(in[6])));
                } catch (NullPointerException absent) {
                    good = "exception";
                }
                return identity == null ? good : String.join("|", good, shown(identity.sub),
                        shown(identity.given_name), shown(identity.family_name));
            }
            case "encrypt":
                return hex(new Tools(in[2], in[3]).cipher(Cipher.ENCRYPT_MODE, gcm).doFinal(bytes(in[4])));
            case "decrypt":
                return hex(new Tools(in[2], in[3]).decrypt(in[4], gcm));
            case "seal":
                return gcm ? sealGcm(in[2], in[3], in[4], in[5], in[6], in[7])
                        : sealJwe(in[2], in[3], in[4], in[6], in[7]);
            case "open":
                return gcm ? openGcm(in[2], in[3], in[4], in[5]) : openJwe(in[2], in[3], in[4], in[5]);
            case "password":
                return hex(derive("HmacSHA256", in[1], "claim " + in[2]));
            case "claim":
                return claim(in[1], in[2], in[3], in[4]);
            default:
                throw new IllegalArgumentException(in[0]);
        }
    }

    public static void main(String[] arguments) throws Exception {
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, UTF_8));
        PrintStream out = new PrintStream(System.out, true, "UTF-8");
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            try {
                out.println(answer(line.split("\\|", -1)));
            } catch (GeneralSecurityException | IllegalArgumentException | JsonSyntaxException
                    | ArrayIndexOutOfBoundsException | ProviderException refused) {
                out.println("-");
            }
        }
    }
}
