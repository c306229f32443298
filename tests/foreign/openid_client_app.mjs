// Signs in with openid-client: node openid_client_app.mjs, then http://127.0.0.1:8080/
import { createServer } from 'node:http';
import * as client from 'openid-client';

const ISSUER = process.env.ISSUER ?? 'http://127.0.0.1:8081/generic';
const HERE = `http://127.0.0.1:${process.env.PORT ?? 8080}`;
const config = await client.discovery(new URL(ISSUER), 'relais', 'simulated-secret-for-development-only', undefined, {
  execute: [client.allowInsecureRequests, client.enableNonRepudiationChecks], // http here; check signatures too
});
let checks; // of one visitor: yours belong into a session

createServer(async (request, response) => {
  const url = new URL(request.url, HERE);
  try {
    if (url.pathname === '/') {
      checks = { expectedNonce: client.randomNonce(), expectedState: client.randomState(),
        pkceCodeVerifier: client.randomPKCECodeVerifier() };
      const location = client.buildAuthorizationUrl(config, {
        redirect_uri: `${HERE}/callback/oidc`, scope: 'openid profile email',
        nonce: checks.expectedNonce, state: checks.expectedState, code_challenge_method: 'S256',
        code_challenge: await client.calculatePKCECodeChallenge(checks.pkceCodeVerifier) });
      response.writeHead(302, { location: location.href }).end();
    } else if (url.pathname === '/callback/oidc') {
      const tokens = await client.authorizationCodeGrant(config, url, checks);
      const person = await client.fetchUserInfo(config, tokens.access_token, tokens.claims().sub);
      response.end(`signed in: ${person.given_name} ${person.family_name}`);
    } else response.writeHead(404).end();
  } catch (error) {
    response.writeHead(400).end(`not signed in: ${error.message}`);
  }
}).listen(new URL(HERE).port, '127.0.0.1');
