import { basename, dirname } from 'node:path';

/** Folders of a project in which clients keep their files. */
const CLIENT_FOLDERS =
  /^\.(vscode|vs|cursor|claude|codex|gemini|qwen|roo|kiro|amazonq|zed|continue|opencode|crush|junie|github|windsurf|copilot|amp|kilocode|trae)$/;

/** The folder that an editor would have opened; relative paths in a manifest start there. */
export function workspaceFolderOf(manifestPath: string): string {
  const folder = dirname(manifestPath);
  // Kiro's, Junie's and Continue's files are one level further down.
  const outer = /^(settings|mcp|mcpServers)$/.test(basename(folder)) ? dirname(folder) : folder;
  return CLIENT_FOLDERS.test(basename(outer)) ? dirname(outer) : folder;
}
