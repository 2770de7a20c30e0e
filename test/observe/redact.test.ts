import { expect, test } from 'vitest';
import { redact } from '../../src/observe/redact.ts';

test.each([
  ['https://user:hunter22@host/path', 'https://***@host/path'],
  ['postgres://u:p%40ss@db:5432/x?sslmode=off', 'postgres://***@db:5432/x?sslmode=off'],
  ['postgres://u:p@ss@db:5432/x', 'postgres://***@db:5432/x'],
  ['postgres://u:p/ss#x@db:5432/x', 'postgres://***@db:5432/x'],
  ['https://me:x@host/@scope/package', 'https://***@host/@scope/package'],
  ['https://host/?api_key=abcdef&x=1#access_token=zz', 'https://host/?api_key=***&x=1#access_token=***'],
  ['https://host/?x=1&sig=ab%2Fcd&code=abcdefgh', 'https://host/?x=1&sig=***&code=***'],
  ["unknown option '--token=abcdef'", "unknown option '--token=***'"],
  ['npx server --api-key abcdef --verbose', 'npx server --api-key *** --verbose'],
  ['GITHUB_TOKEN=abcdef is not set', 'GITHUB_TOKEN=*** is not set'],
  ['Authorization: Bearer abcdef.ghi', 'Authorization: Bearer ***'],
  ['Proxy-Authorization: Basic dXNlcjpwYXNz', 'Proxy-Authorization: Basic ***'],
  ['Authorization: Digest username="u", response="abc"', 'Authorization: Digest ***'],
  ['Basic dXNlcjpwYXNz', 'Basic ***'],
  ['Cookie: a=b; theme=dark', 'Cookie: ***'],
  ['Set-Cookie: sid=abc; Path=/; HttpOnly\nnext line', 'Set-Cookie: ***\nnext line'],
  ['curl -H "X-Api-Key: abc123" https://host', 'curl -H "X-Api-Key: ***" https://host'],
  [
    'docker run -e API_KEY=v1 --env=DB_PASSWORD=v2 image',
    'docker run -e API_KEY=*** --env=DB_PASSWORD=*** image',
  ],
  ['curl -u me:hunter2 host', 'curl -u me:*** host'],
  ['curl --user me:hunter2 host', 'curl --user me:*** host'],
  ['curl --user=me:hunter2 host', 'curl --user=me:*** host'],
  ['curl -ume:hunter2 host', 'curl -ume:*** host'],
  ['Server=db;User Id=sa;Password=p,wd;Pwd=x', 'Server=db;User Id=sa;Password=***;Pwd=***'],
  ['Driver={x};UID=sa;PWD={a;b c};Port=1', 'Driver={x};UID=sa;PWD=***;Port=1'],
  ['jdbc:sqlserver://h:1;user=sa;password=ab;x=1', 'jdbc:sqlserver://h:1;user=sa;password=***;x=1'],
  ["host=db password='a b' user=me", "host=db password='***' user=me"],
  ['AccountName=a;AccountKey=ab/cd==;x=1', 'AccountName=a;AccountKey=***;x=1'],
  ['{"apiKey":"a\\"b","n":1}', '{"apiKey":"***","n":1}'],
  ['{"apiKey": 12345, "tokens": ["a", "b"]}', '{"apiKey": ***, "tokens": ["***", "***"]}'],
  [String.raw`"{\"apiKey\":\"a b\",\"n\":1}"`, String.raw`"{\"apiKey\":\"***\",\"n\":1}"`],
  [
    String.raw`{\\\"secret\\\": \\\"a b\\\", \\\"n\\\"}`,
    String.raw`{\\\"secret\\\": \\\"***\\\", \\\"n\\\"}`,
  ],
  ["{ apiKey: 'a b', n: 1 }", "{ apiKey: '***', n: 1 }"],
  ['{"password"=>"x y"}', '{"password"=>"***"}'],
  ['["--token", "a b", "c"]', '["--token", "***", "c"]'],
  ['password: hunter', 'password: ***'],
  ['${API_KEY:-hunter2} ${KEYBOARD:-de}', '${API_KEY:-***} ${KEYBOARD:-de}'],
  ['the key is sk-0123456789abcdefgh', 'the key is ***'],
  ['-----BEGIN RSA PRIVATE KEY-----\nabc\n-----END RSA PRIVATE KEY-----\nrest', '***\nrest'],
  ['connecting with eyJhbGciOiJI.eyJzdWIi.c2ln', 'connecting with ***'],
])('%j is shown as %j', (text, shown) => {
  expect(redact(text)).toBe(shown);
  expect(redact(shown)).toBe(shown);
});

test.each([
  'Server "files": command not found: npx',
  'mcp.json:1:2: mcpServers.token.command: is empty',
  'mcp.json:1:2: mcpServers.a.env.API_TOKEN: must be a string, not a number',
  '--token-file: /etc/tokens holds no token',
  'MCP_RUN_TOKEN: a token of 5 characters can be guessed; use 32 random ones',
  'Port 3000 on 127.0.0.1 is in use',
  'The schema is at https://host/schema.json?version=2',
  'Refusing to listen on 0.0.0.0 without a token; see --token-file',
  'user@host is not a URL',
  'http://localhost:8080/@scope/package',
  'invalid token: unexpected end of input',
  'curl http://h -H "authorization: Bearer $MCP_RUN_TOKEN"',
  'API_KEY=${API_KEY} TOKEN=%TOKEN% "Authorization": "Bearer YOUR_TOKEN"',
  'API_KEY is not set; write ${API_KEY:-default}',
  'docker run -u 1000:1000 --user alice image',
  'MAX_TOKENS=4096 TOKENIZERS_PARALLELISM=false KEYBOARD=de AUTHOR=me MONKEY=1 PWD=/home/me',
  '"maxTokens":4096,"progressToken":7,"token":null',
  'basic authentication and bearer tokens are supported',
  'Cannot use the bearer tokens: /etc/mcp-run/tokens holds no token',
  'Cannot use the bearer tokens: tok.txt holds no token',
])('%j is shown as it is', (text) => {
  expect(redact(text)).toBe(text);
});

const MILLION = 1_000_000;

test.each([
  [
    'a.',
    'a-',
    'a_',
    'secret-',
    'token',
    'token=',
    'key=',
    'key:',
    'key: ',
    'eyJ',
    'eyJ.',
    '://',
    'a://',
    'a:b//',
  ],
  [
    'a://b:c',
    '"',
    "'",
    '\\"',
    '\\',
    'key="',
    'key=\'"',
    'key="\\',
    'key=\\"',
    'Bearer ',
    'basic a',
    '--token ',
  ],
  ['-u ', '-u "', '-u \\"a', '["--token", ', 'tokens:["', '-----BEGIN PRIVATE KEY', '-----BEGIN ', 'cookie:'],
  [
    '"Cookie: ',
    'authorization: ',
    'pwd={',
    'key=,',
    'key=)',
    'key=.',
    'key=),a',
    'api_key',
    'X-Api-Key',
    '?key=',
  ],
  [
    '@',
    'a@',
    ' ',
    '\n',
    'key \n=',
    '${',
    'key=${',
    'key=*',
    'password="""',
    "key='''",
    '--a=',
    '-----END',
    'é',
  ],
])(
  'a million characters of %j and the like are masked in linear time',
  (...pieces) => {
    for (const piece of pieces) {
      const text = piece.repeat(Math.ceil(MILLION / piece.length));
      expect(redact(`${text}"}=@'end`).length, piece).toBeLessThanOrEqual(3 * text.length);
    }
  },
  60_000,
);
