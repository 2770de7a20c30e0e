import { extname } from 'node:path';

export type Syntax = 'jsonc' | 'json' | 'yaml';

/** What a file of this name is written in. */
export function syntaxOf(file: string): Syntax {
  const extension = extname(file).toLowerCase();
  if (extension === '.yaml' || extension === '.yml') return 'yaml';
  return extension === '.json' ? 'json' : 'jsonc';
}

const STARTERS: Readonly<Record<Syntax, string>> = {
  jsonc: `// What mcp-run serves, and how. Try it: mcp-run check, then mcp-run serve.
{
  "mcpServers": {
    // The small server that comes with mcp-run. "mcp-run" stands for this program, wherever it is installed.
    "demo": { "command": "mcp-run", "args": ["serve", "--demo", "--stdio", "--quiet"] },

    // Any other server that is a command:
    // "files": {
    //   "command": "npx",
    //   "args": ["-y", "@modelcontextprotocol/server-filesystem", "\${FILES:-.}"],
    //   "env": { "LOG_LEVEL": "info" },
    //   "envFile": ".env",          // secrets belong there, or in our environment: "passEnv": ["API_KEY"]
    //   "timeout": "2m",
    // },

    // A remote server; where it asks for it, a browser opens to sign in:
    // "far": { "url": "https://example.com/mcp", "headers": { "X-Team": "\${TEAM}" } },
  },

  // Each of these is an option of mcp-run serve, too.
  "serve": {
    "transports": ["http", "sse"],
    "port": 3000,
    // "host": "127.0.0.1",
    // "requestTimeout": "5m",
  },
}
`,
  json: `{
  "mcpServers": {
    "demo": { "command": "mcp-run", "args": ["serve", "--demo", "--stdio", "--quiet"] }
  },
  "serve": {
    "transports": ["http", "sse"],
    "port": 3000
  }
}
`,
  yaml: `# What mcp-run serves, and how. Try it: mcp-run check, then mcp-run serve.
mcpServers:
  # The small server that comes with mcp-run. "mcp-run" stands for this program, wherever it is installed.
  demo:
    command: mcp-run
    args: [serve, --demo, --stdio, --quiet]

  # Any other server that is a command:
  # files:
  #   command: npx
  #   args: [-y, '@modelcontextprotocol/server-filesystem', '\${FILES:-.}']
  #   env: { LOG_LEVEL: info }
  #   envFile: .env            # secrets belong there, or in our environment: passEnv: [API_KEY]
  #   timeout: 2m

  # A remote server; where it asks for it, a browser opens to sign in:
  # far:
  #   url: https://example.com/mcp
  #   headers: { X-Team: '\${TEAM}' }

# Each of these is an option of mcp-run serve, too.
serve:
  transports: [http, sse]
  port: 3000
  # host: 127.0.0.1
  # requestTimeout: 5m
`,
};

/** A manifest that works as it is, and says what else there is. Plain JSON has no room for comments. */
export function starterText(syntax: Syntax): string {
  return STARTERS[syntax];
}
