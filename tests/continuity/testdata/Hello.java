import com.sun.net.httpserver.*;
import java.net.*;
import java.security.*;
import javax.net.ssl.*;

/** Serves HTTPS with the key "web" of a token, and signs with it at the path /sign. */
class Hello {
	public static void main(String[] args) throws Exception {
		Provider token = Security.getProvider("SunPKCS11").configure("p11.cfg");
		Security.addProvider(token);
		KeyStore store = KeyStore.getInstance("PKCS11", token);
		store.load(null, System.getenv("PIN").toCharArray());
		KeyManagerFactory keys = KeyManagerFactory.getInstance("PKIX");
		keys.init(store, null);
		SSLContext tls = SSLContext.getInstance("TLS");
		tls.init(keys.getKeyManagers(), null, null);
		PrivateKey key = (PrivateKey) store.getKey("web", null);
		PublicKey known = store.getCertificate("web").getPublicKey();

		int port = Integer.parseInt(System.getenv("PORT"));
		HttpsServer server = HttpsServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), port), 0);
		server.setHttpsConfigurator(new HttpsConfigurator(tls));
		server.createContext("/", exchange -> answer(exchange, 200, "hello\n"));
		server.createContext("/sign", exchange -> {
			try {
				byte[] message = "to be signed".getBytes();
				Signature signer = Signature.getInstance("SHA256withRSA", token);
				signer.initSign(key);
				signer.update(message);
				byte[] signature = signer.sign();
				Signature verifier = Signature.getInstance("SHA256withRSA");
				verifier.initVerify(known);
				verifier.update(message);
				answer(exchange, verifier.verify(signature) ? 200 : 500, "signed\n");
			} catch (GeneralSecurityException | RuntimeException e) {
				e.printStackTrace();
				answer(exchange, 500, e + "\n");
			}
		});
		server.start();
	}

	static void answer(HttpExchange exchange, int status, String text) throws java.io.IOException {
		exchange.sendResponseHeaders(status, text.length());
		exchange.getResponseBody().write(text.getBytes());
		exchange.close();
	}
}
