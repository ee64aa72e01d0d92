interface ImportMetaEnv {
  readonly VITE_ADMIN_URL: string;
  readonly VITE_API_URL: string;
  readonly VITE_APP_URL: string;
  readonly VITE_SENTRY_SESSION_SAMPLE_RATE: string;
  readonly VITE_SENTRY_URL: string;
  readonly VITE_SUPPORT_URL: string;
  readonly VITE_USERBACK_ACCESS_TOKEN: string;
}

interface ImportMeta {
  readonly env: ImportMetaEnv;
}

declare module "*.css";
