import { expect, test } from 'vitest';
import { isSecretName } from '../../src/observe/secret-names.ts';

const SECRET = `
  GITHUB_TOKEN apiKey APIKey api-key X-Api-Key OPENAI_API_KEY API_KEY_OPENAI AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY
  PGPASSWORD MYSQL_PWD Pwd DB_PASS dbpass SENTRY_DSN GITHUB_PAT SLACK_WEBHOOK_URL Cookie Set-Cookie Proxy-Authorization
  x-auth-token signature sig X-Amz-Signature ConnectionString CONNECTION_STRING private_key PRIVATE_KEY passphrase
  AccountKey SharedAccessKey --api-key key auth _authToken token1 SESSION_ID session_key secretAccessKey client_secret
  bearerToken credentials JSESSIONID PHPSESSID access_tokens SSH_PRIVATE_KEY password_hash SECRET_URL REFRESH_TOKEN`;

const OPEN = `
  KEYBOARD AUTHOR AUTHORS MONKEY PATH PWD OLDPWD TOKENIZERS_PARALLELISM MAX_TOKENS max_output_tokens TOKEN_LIMIT TOKENIZER
  AUTH_URL TOKEN_FILE KEY_PREFIX PASSENGER COMPASS BYPASS SESSION_TIMEOUT progressToken SIGNAL PATTERN DISPATCH SECRETARY
  keynote KEYCLOAK_URL turkey hockey XAUTHORITY SSH_AUTH_SOCK XDG_SESSION_ID DESKTOP_SESSION publicKey DESIGN TOKEN_URL
  PASSTHROUGH COOKIECUTTER PINE spatial user name OAUTH_CLIENT_ID PASSIVE tokens_used Idempotency-Key`;

test.each(SECRET.trim().split(/\s+/))('%s is the name of a secret', (name) => {
  expect(isSecretName(name)).toBe(true);
});

test.each(OPEN.trim().split(/\s+/))('%s is not the name of a secret', (name) => {
  expect(isSecretName(name)).toBe(false);
});
