export function nodeFolder(cpu: string, version: string): string;
