/**
 * The variables of the page's environment. They must be written out in full, because import-meta-env replaces the text.
 */
export const environment = {
  VITE_ADMIN_URL: import.meta.env.VITE_ADMIN_URL,
  VITE_API_URL: import.meta.env.VITE_API_URL,
  VITE_APP_URL: import.meta.env.VITE_APP_URL,
  VITE_SENTRY_SESSION_SAMPLE_RATE: import.meta.env.VITE_SENTRY_SESSION_SAMPLE_RATE,
  VITE_SENTRY_URL: import.meta.env.VITE_SENTRY_URL,
  VITE_SUPPORT_URL: import.meta.env.VITE_SUPPORT_URL,
  VITE_USERBACK_ACCESS_TOKEN: import.meta.env.VITE_USERBACK_ACCESS_TOKEN,
};
