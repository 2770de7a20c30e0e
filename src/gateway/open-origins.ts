import type { Settings } from '../manifest/settings.ts';

type Allowed = Pick<Settings, 'cors' | 'allowOrigin' | 'allowHost'>;

const FLAGS = { cors: '--cors', allowOrigin: '--allow-origin', allowHost: '--allow-host' } as const;

/** Warnings about the hosts and origins that a listener is opened to. */
export function warningsAbout(allowed: Allowed): readonly string[] {
  const { cors, allowOrigin, allowHost } = allowed;
  return [
    ...(cors.includes('*')
      ? [
          '--cors * lets the pages of every site use the servers, and read the answers, from any browser that reaches this listener',
        ]
      : []),
    ...(allowOrigin.includes('*')
      ? [
          '--allow-origin * lets the pages of every site send requests from any browser that reaches this listener',
        ]
      : []),
    ...(['cors', 'allowOrigin'] as const)
      .filter((key) => allowed[key].some((origin) => origin.toLowerCase() === 'null'))
      .map((key) => `${FLAGS[key]} null lets in sandboxed frames, which the pages of every site can make`),
    ...[
      ...patternsIn(
        'cors',
        cors.filter((origin) => origin !== '*'),
      ),
      ...patternsIn(
        'allowOrigin',
        allowOrigin.filter((origin) => origin !== '*'),
      ),
      ...patternsIn('allowHost', allowHost),
    ],
  ];
}

function patternsIn(key: keyof Allowed, values: readonly string[]): readonly string[] {
  return values
    .filter((value) => value.includes('*'))
    .map((value) => `${FLAGS[key]} ${value} matches nothing: hosts and origins are named one by one`);
}
