export { EnvironmentPage } from "./EnvironmentPage.tsx";
export { Layout } from "./Layout.tsx";
export { Link, isWebAddress } from "./Link.tsx";
export { Version } from "./Version.tsx";
export { useJson } from "./useJson.ts";
