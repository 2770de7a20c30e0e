import { createPrivateKey, type KeyObject } from 'node:crypto';
import { createPrivateKeyJwtAuth, type AddClientAuthentication } from '@modelcontextprotocol/client';
import { RunError } from '../../errors.ts';
import type { Authority } from './discovery.ts';

export interface PrivateKey {
  /** PKCS #8, PEM. */
  readonly pem: string;
  /** RFC 7518. */
  readonly algorithm: string;
}

/** Which algorithms each curve is for. */
const CURVES = new Map([
  ['prime256v1', 'ES256'],
  ['secp384r1', 'ES384'],
  ['secp521r1', 'ES512'],
]);
const RSA = ['RS256', 'PS256', 'RS384', 'RS512', 'PS384', 'PS512'];

/** How a client with a private key authenticates (RFC 7523); undefined without a key: by its secret, or not at all. */
export function authenticateByKey(
  clientId: string,
  pem: string | undefined,
  authority: Authority,
  server: string,
): { addClientAuthentication?: AddClientAuthentication } {
  if (pem === undefined) return {};
  const key = readPrivateKey(pem, authority, server);
  return {
    addClientAuthentication: createPrivateKeyJwtAuth({
      issuer: clientId,
      subject: clientId,
      privateKey: key.pem,
      alg: key.algorithm,
    }),
  };
}

/** @throws RunError `AUTHORIZATION_FAILED` */
export function readPrivateKey(pem: string, { metadata }: Authority, server: string): PrivateKey {
  const key = parseKey(pem, server);
  const supported = metadata?.token_endpoint_auth_signing_alg_values_supported;
  const possible = algorithmsOf(key);
  const algorithm = possible.find((each) => supported?.includes(each) ?? true) ?? possible[0];
  if (algorithm === undefined) {
    const detail = `the private key is of a kind (${key.asymmetricKeyType}) that is not for signing here: use RSA or EC`;
    throw new RunError('AUTHORIZATION_FAILED', { server, detail });
  }
  return { pem: key.export({ type: 'pkcs8', format: 'pem' }).toString(), algorithm };
}

function parseKey(pem: string, server: string): KeyObject {
  try {
    return createPrivateKey(pem);
  } catch (error) {
    throw new RunError(
      'AUTHORIZATION_FAILED',
      { server, detail: 'the private key is not a PEM file' },
      { cause: error },
    );
  }
}

function algorithmsOf({ asymmetricKeyType, asymmetricKeyDetails }: KeyObject): readonly string[] {
  if (asymmetricKeyType === 'rsa') return RSA;
  const algorithm = CURVES.get(asymmetricKeyDetails?.namedCurve ?? '');
  return algorithm === undefined ? [] : [algorithm];
}
