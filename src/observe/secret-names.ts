/** The one list of names whose values are secrets: of variables, flags, headers, keys and parameters. */

/** A name that is longer is judged by its end. */
const MAX_NAME = 128;

/** Each of these makes a name secret, wherever it stands in the name. */
const STRONG = wordsOf(
  `token secret secrets password passwords passwd passphrase passcode pwd credential credentials creds
   authorization bearer cookie cookies dsn webhook webhooks apikey apikeys jwt otp totp mnemonic connectionstring
   sessionid sessid`,
);
/** Each of these makes a name secret as its last word, or before nothing but words such as `value`. */
const WEAK = wordsOf('key keys auth session sig signature pat pass pin sid tokens');
const QUALIFIERS = wordsOf(
  'id value string data header base64 b64 hex json pem current previous old new prod dev test staging live main',
);
/** Keys of these kinds are secrets wherever they stand. */
const KEY_KINDS = wordsOf(
  'api access private secret auth license signing encryption master account shared client service',
);
/** Keys of these kinds are none. */
const OPEN_KEY_KINDS = wordsOf('public foreign cache partition sort websocket index object hot idempotency');
/** Last words of names that tell something about a secret. */
const ABOUT = wordsOf(
  `file files path paths dir directory folder ttl expiry expires expiration expired timeout lifetime age limit
   limits count counts length len size type types algorithm alg name names prefix enabled disabled required mode
   method methods provider policy format version parallelism budget usage bytes seconds ms minutes interval store
   sock socket agent scheme`,
);
/** The same, unless the secret is of a kind that addresses hold themselves. */
const PLACES = wordsOf('url uri endpoint host hostname port domain issuer audience server');
const IN_PLACES = wordsOf('secret secrets password passwd pwd passphrase webhook webhooks dsn credentials');
/** Words beside `token` and `tokens` that count the tokens of a text, or name those of a protocol. */
const COUNTS = wordsOf(
  'max min num n total per prompt completion output input reasoning cached used thinking count progress',
);
const DESKTOP = wordsOf('desktop xdg dbus');
/** Ends of words that were written together: `authtoken`, `pgpassword`. */
const GLUED =
  /(?:token|secret|password|passwd|passphrase|passcode|apikey|authkey|accesskey|secretkey|privatekey|signingkey|masterkey|accountkey|licensekey|credentials?|cookie|webhook|sessionid|sessid|connectionstring|pwd)$|^passw/;
const WITH_PASS = /pass$/;
const NO_PASS = wordsOf('bypass compass encompass surpass trespass overpass underpass pass');

function wordsOf(text: string): ReadonlySet<string> {
  return new Set(text.split(/\s+/));
}

/** Whether what a variable, a flag, a header, a key or a parameter of this name holds is probably a secret. */
export function isSecretName(name: string): boolean {
  // The working directory of a shell; `Pwd` and `pwd` are passwords.
  if (name === 'PWD' || name === 'OLDPWD') return false;
  const words = splitName(name.slice(-MAX_NAME));
  return isSecretWords(words) && !isAboutSecret(words);
}

function splitName(name: string): readonly string[] {
  return name
    .replaceAll(/([a-z\d])([A-Z])|([A-Z])([A-Z][a-z])/g, '$1$3 $2$4')
    .toLowerCase()
    .split(/[^a-z\d]+/)
    .map((word) => (/^\D+\d+$/.test(word) && word !== 'b64' ? word.replace(/\d+$/, '') : word))
    .filter((word) => word !== '' && !/^\d+$/.test(word));
}

function isSecretWords(words: readonly string[]): boolean {
  return words.some((word, index) => {
    const before = words[index - 1] ?? '';
    if (STRONG.has(word)) return true;
    if (WEAK.has(word)) return isSecretHere(word, before, words.slice(index + 1));
    if (word === 'string') return before === 'connection' || before === 'conn';
    return word === 'connstr' || GLUED.test(word) || (WITH_PASS.test(word) && !NO_PASS.has(word));
  });
}

function isSecretHere(word: string, before: string, after: readonly string[]): boolean {
  if (word === 'session' && DESKTOP.has(before)) return false;
  if (word.startsWith('key')) {
    if (OPEN_KEY_KINDS.has(before)) return false;
    if (KEY_KINDS.has(before)) return true;
  }
  return after.every((each) => QUALIFIERS.has(each));
}

/** `TOKEN_FILE`, `AUTH_URL`, `MAX_TOKENS`. */
function isAboutSecret(words: readonly string[]): boolean {
  const last = words.at(-1) ?? '';
  if (ABOUT.has(last)) return true;
  if (PLACES.has(last)) return !words.some((word) => IN_PLACES.has(word));
  return (
    words.some((word) => COUNTS.has(word)) &&
    words.every((word) => /^tokens?$/.test(word) || (!STRONG.has(word) && !WEAK.has(word)))
  );
}
